"""What each part of the recipe buys: the same short training with parts left out or added, judged on printers
held out.

Each line of `LADDER` is trained for `Plan.ablation_steps` of `Plan.ablation_batch` samples on every fold of
`Plan.ablation_folds`, from ImageNet's weights, and judged in float32: lines compare with one another, not
with the shipped model, which is trained many times as long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from layerwatch_train import baseline, train
from layerwatch_train.calibrate import blended
from layerwatch_train.evaluate import judged
from layerwatch_train.metrics import auroc, recall_at
from layerwatch_train.pipeline import held_out, train_jobs
from layerwatch_train.runs import Runs
from layerwatch_train.split import assign_folds


@dataclass(frozen=True, slots=True)
class Line:
    """One training: its name in the table and how its recipe differs. teacher: key of another line."""

    name: str
    recipe: Mapping[str, object] = field(default_factory=dict)
    teacher: str = ""


_REAL = {"pasted": False, "rendered": False, "cutmix": 0.0}

LADDER = {
    "heads": Line("heads alone trained", {**_REAL, "heads_only": True, "boxes": False}),
    "labels": Line("fine-tuned whole, labels of whole pictures", {**_REAL, "boxes": False}),
    "boxes": Line("+ boxes", _REAL),
    "pasted": Line("+ cut-and-paste", {"rendered": False}),
    "recipe": Line("+ rendered prints: the recipe"),
    "seed": Line("the recipe, another seed", {"seed": 1}),
    "small": Line("the recipe at 224 pixels", {"size": 224}),
    "lite2": Line("the recipe with the larger Lite2", {"variant": "lite2"}),
    "taught": Line("the recipe, taught by that Lite2", teacher="lite2"),
}


def jobs(runs: Runs) -> list[train.Job]:
    """A job for every line and fold, named KEY-foldN."""
    pictures, plan = runs.pictures(), runs.plan
    folds, made = assign_folds(pictures, plan.folds), []
    for fold in plan.ablation_folds:
        outside = held_out(pictures, folds, fold)
        for key, line in LADDER.items():
            recipe = replace(plan.recipe, steps=plan.ablation_steps, batch=plan.ablation_batch)
            recipe = replace(recipe, **{k: v for k, v in line.recipe.items() if not _too_large(k, v, recipe)})  # type: ignore[arg-type]
            teacher = f"{line.teacher}-fold{fold}" if line.teacher else ""
            made.append(train.Job(f"{key}-fold{fold}", recipe, outside, teacher))
    return made


def _too_large(name: str, value: object, recipe: train.Recipe) -> bool:
    """Whether a line asks for larger pictures than the bank holds (in a quick run)."""
    return name == "size" and isinstance(value, int) and value > recipe.size


def run(runs: Runs) -> dict[str, NDArray[np.float64]]:
    """Train and judge every line; [pictures] scores by key (NaN where not judged), kept in `ablation/`."""
    pictures, plan, folder = runs.pictures(), runs.plan, runs.out / "ablation"
    folds, path = assign_folds(pictures, plan.folds), folder / "scores.npz"
    if not path.is_file():
        webcam, todo = np.array([p.view == "webcam" for p in pictures]), jobs(runs)
        weights = train_jobs(runs, todo, folder)
        scores = {key: np.full(len(pictures), np.nan) for key in LADDER}
        for job in todo:
            key, fold = job.name.rsplit("-fold", 1)
            where = np.flatnonzero((folds == int(fold)) & webcam)
            answer = train.predict(weights[job.name], job.recipe, runs.images()[where], runs.device())
            scores[key][where] = blended(answer["failure"], answer["map"])
        np.savez(path, **scores)  # type: ignore[arg-type]
    with np.load(path) as kept:
        return dict(kept)


def table(runs: Runs) -> str:
    """The ablation as a Markdown table: mean over folds, pooled, and recall at 1 % false alarms."""
    pictures, plan = runs.pictures(), runs.plan
    folds = assign_folds(pictures, plan.folds)
    scores = run(runs)
    rows = {
        "logistic head on frozen, pooled features": baseline.scores(runs),
        **{line.name: scores[key] for key, line in LADDER.items()},
    }
    lines = ["| | mean AUROC | mean recall at 1 % | AUROC | recall at 1 % |", "|---|---|---|---|---|"]
    report = {}
    for name, s in rows.items():
        keep = judged(pictures, s)
        keep = keep[np.isin(folds[keep], plan.ablation_folds)]
        failed = np.array([pictures[n].label == "failed" for n in keep])
        each = [
            (auroc(s[keep][w], failed[w]), recall_at(s[keep][w], failed[w], 0.01))
            for w in (folds[keep] == f for f in plan.ablation_folds)
        ]
        mean = np.mean(each, axis=0)
        whole = auroc(s[keep], failed), recall_at(s[keep], failed, 0.01)
        report[name] = [*mean.tolist(), *whole]
        lines.append(f"| {name} | {mean[0]:.3f} | {mean[1]:.3f} | {whole[0]:.3f} | {whole[1]:.3f} |")
    (runs.out / "ablation" / "table.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return "\n".join(lines)
