"""What each part of the recipe buys: the same short training with parts left out or added, judged on printers
held out.

Each line of `LADDER` is trained for `Plan.ablation_steps` on every fold of `Plan.ablation_folds`, from
ImageNet's weights, and judged in float32: lines compare with one another, not with the shipped model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from layerwatch_train import baseline, train
from layerwatch_train.calibrate import blended
from layerwatch_train.evaluate import judged
from layerwatch_train.metrics import auroc, recall_at
from layerwatch_train.pipeline import Runs, allowed, held_out, make_samples
from layerwatch_train.samples import Samples
from layerwatch_train.selfsupervised import pretrain
from layerwatch_train.split import assign_folds


@dataclass(frozen=True, slots=True)
class Line:
    """One training: which samples and which recipe."""

    name: str
    pasted: bool = True
    rendered: bool = True
    recipe: Mapping[str, object] = field(default_factory=dict)
    longer: int = 1
    teachers: int = 0
    """Trainings with other seeds whose answers are learned."""
    pretrained: bool = False


LADDER = (
    Line("heads alone trained", False, False, {"heads_only": True, "boxes": False}),
    Line("fine-tuned, labels of whole pictures", False, False, {"boxes": False}),
    Line("+ boxes", False, False),
    Line("+ cut-and-paste", True, False),
    Line("+ rendered prints: the recipe"),
    Line("the recipe, another seed", recipe={"seed": 1}),
    Line("the recipe, third seed", recipe={"seed": 2}),
    Line("the recipe, three times as long", longer=3),
    Line("the recipe, taught by three seeds of itself", teachers=3),
    Line("the recipe, after self-supervision", pretrained=True),
)

SEEDS = (4, 5, 6)
"""The recipe in LADDER, and it again with other seeds."""


def positions(made: Samples, usable: NDArray[np.int64], line: Line) -> NDArray[np.int64]:
    """Of the samples at `usable`, those that the line trains on."""
    keep = np.ones(len(made), bool)
    if not line.pasted:
        keep &= made.patch < 0
    if not line.rendered:
        keep &= made.rendered < 0
    return usable[keep[usable]]


def fit(runs: Runs, line: Line, fold: int, usable: NDArray[np.int64]) -> dict[str, Tensor]:
    """Train one line on one fold, or take what is there."""
    plan, folder = runs.plan, runs.out / "ablation"
    made = make_samples(runs)
    recipe = train.Recipe(variant=plan.variant, size=plan.size, steps=plan.ablation_steps * line.longer)
    recipe = replace(recipe, **line.recipe)  # type: ignore[arg-type]
    chosen = positions(made, usable, line)
    teachers = [fit(runs, LADDER[n], fold, usable) for n in SEEDS[: line.teachers]]
    begun = (
        pretrain(made, chosen, recipe, folder / f"pretrained.{fold}.pt", runs.log)
        if line.pretrained
        else None
    )
    out = folder / f"{LADDER.index(line)}.{fold}.pt"
    return train.fit(made, chosen, recipe, out, runs.log, begun, teachers=teachers)


def run(runs: Runs, lines: Sequence[Line] = LADDER) -> dict[str, NDArray[np.float64]]:
    """Train and judge every line; [pictures] scores by name (NaN where not judged), kept in `ablation/`."""
    pictures, plan = runs.pictures(), runs.plan
    folds, made = assign_folds(pictures, plan.folds), make_samples(runs)
    (runs.out / "ablation").mkdir(exist_ok=True)
    webcam = np.array([p.view == "webcam" for p in pictures])
    scores: dict[str, NDArray[np.float64]] = {}
    for line in lines:
        path = runs.out / "ablation" / f"{LADDER.index(line)}.npy"
        if not path.is_file():
            found = np.full(len(pictures), np.nan)
            for fold in plan.ablation_folds:
                runs.log(f"{line.name}, fold {fold}")
                weights = fit(runs, line, fold, allowed(made, held_out(pictures, folds, fold)))
                where = np.flatnonzero((folds == fold) & webcam)
                answer = train.predict(weights, plan.variant, runs.features()[where])
                found[where] = blended(answer["failure"], answer["map"])
            np.save(path, found)
        scores[line.name] = np.load(path)
    return scores


def ensemble(scores: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean logits of the three seeds: what a teacher of them knows."""
    return np.mean([scores[LADDER[n].name] for n in SEEDS], axis=0)


def table(runs: Runs) -> str:
    """The ablation as a Markdown table: mean over folds, pooled, and recall at 1 % false alarms."""
    pictures, plan = runs.pictures(), runs.plan
    folds = assign_folds(pictures, plan.folds)
    scores = run(runs)
    frozen = baseline.out_of_fold(
        baseline.features(runs.out / "baseline.npy", runs.features(), plan.variant), pictures, folds
    )
    rows = {
        "logistic head on frozen, pooled features": frozen,
        **scores,
        "three seeds, mean of their answers": ensemble(scores),
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
