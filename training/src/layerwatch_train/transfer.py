"""What is learned on some pictures and judged on others: source by source, and rendered against real.

A source of pictures has habits (what is photographed, how, by whom) that a detector can learn instead of
failures: close-ups of products are mostly good, those from printers mostly failed. A model that saw nothing
of a source cannot have learned its habits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch_train import sheets, train
from layerwatch_train.calibrate import blended, sigmoid
from layerwatch_train.evaluate import judged
from layerwatch_train.index import Picture
from layerwatch_train.metrics import auroc, recall_at
from layerwatch_train.pipeline import train_jobs
from layerwatch_train.rendered import Rendered
from layerwatch_train.runs import Runs
from layerwatch_train.split import source

_SHEET = 40
"""Pictures of each kind on the sheet that shows rendered beside real ones."""


def sources(pictures: Sequence[Picture]) -> list[str]:
    """Names of the sources with webcam pictures that are judged; the part before the slash is the name."""
    return sorted({source(p) for p in pictures if p.view == "webcam" and p.label in ("good", "failed")})


def jobs(runs: Runs) -> list[train.Job]:
    """A job without each source, one that learns from rendered prints alone and one from real pictures
    alone."""
    pictures, plan = runs.pictures(), runs.plan
    recipe = replace(plan.recipe, steps=plan.ablation_steps)
    nothing = np.zeros(len(pictures), bool)
    made = [
        train.Job(f"without-{name}", recipe, np.array([source(p) == name for p in pictures]))
        for name in sources(pictures)
    ]
    return [
        *made,
        train.Job("rendered-alone", replace(recipe, real=False), nothing),
        train.Job("real-alone", replace(recipe, rendered=False), nothing),
    ]


def tables(runs: Runs) -> str:
    """Trained without each source and judged on it; trained on rendered prints and judged on real ones, and
    back: two Markdown tables. Also writes `transfer/rendered_and_real.png`, rendered and real pictures side
    by side.

    A source with good pictures alone has no AUROC of its own: its row takes the failures of all other
    sources, as scored out of fold.
    """
    pictures, scores = runs.pictures(), run(runs)
    real = judged(pictures, np.zeros(len(pictures)))
    failed = np.array([p.label == "failed" for p in pictures])
    names = np.array([source(p) for p in pictures])
    with np.load(runs.out / "folds" / "oof.npz") as kept:
        others = blended(kept["failure"], kept["map"])
    lines = [
        "| left out | good | failed | AUROC | recall at 1 % | median logit, good | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in sources(pictures):
        mine = real[names[real] == name]
        s, f = scores[f"without-{name}"][mine], failed[mine]
        if not f.any():
            rest = real[failed[real] & np.isfinite(others[real])]
            s, f = np.concatenate([s, others[rest]]), np.concatenate([f, failed[rest]])
        lines.append(_line(name, s, f))
    drawn = Rendered(runs.out / "rendered")
    there = drawn.positions()
    lines += [
        "",
        "| trained on | judged on | good | failed | AUROC | recall at 1 % | median logit, good | failed |",
        "|---|---|---|---|---|---|---|---|",
        "| rendered alone " + _line("real webcams", scores["rendered-alone"][real], failed[real]),
        "| real alone " + _line("rendered", scores["real-alone"], drawn.kinds[there].any(1)),
    ]
    _side_by_side(runs, drawn, real)
    return "\n".join(lines)


def _line(name: str, scores: NDArray[np.float64], failed: NDArray[np.bool_]) -> str:
    def middle(values: NDArray[np.float64]) -> str:
        return f"{np.median(values):.2f}" if len(values) else "-"

    both = bool(failed.any() and not failed.all())
    area = f"{auroc(scores, failed):.3f} | {recall_at(scores, failed, 0.01):.3f}" if both else "- | -"
    return (
        f"| {name} | {(~failed).sum()} | {failed.sum()} | {area} | {middle(scores[~failed])} "
        f"| {middle(scores[failed])} |"
    )


def run(runs: Runs) -> dict[str, NDArray[np.float64]]:
    """Train and judge every job; logits by its name, kept in `transfer/`: of the judged pictures of the
    index (NaN for the others), but for `real-alone` of every rendered one."""
    folder, todo = runs.out / "transfer", jobs(runs)
    path = folder / "scores.npz"
    if not path.is_file():
        weights, scores = train_jobs(runs, todo, folder), {}
        drawn = Rendered(runs.out / "rendered")
        real = judged(runs.pictures(), np.zeros(len(runs.pictures())))
        for job in todo:
            on_real = job.name != "real-alone"
            images = runs.images()[real] if on_real else drawn.images[drawn.positions()]
            answer = train.predict(weights[job.name], job.recipe, images, runs.device())
            logits = blended(answer["failure"], answer["map"])
            scores[job.name] = np.full(len(runs.pictures()), np.nan) if on_real else logits
            if on_real:
                scores[job.name][real] = logits
        np.savez(path, **scores)  # type: ignore[arg-type]
    with np.load(path) as kept:
        return dict(kept)


def _side_by_side(runs: Runs, drawn: Rendered, real: NDArray[np.int64]) -> None:
    images, rng = runs.images(), np.random.default_rng(0)
    shown, captions, there = [], [], drawn.positions()
    for a, b in zip(
        rng.choice(there, min(_SHEET, len(there)), replace=False),
        rng.choice(real, min(_SHEET, len(real)), replace=False),
        strict=False,
    ):
        shown += [drawn.images[a], images[b]]
        captions += ["rendered", "real"]
    sheets.contact_sheet(shown, captions, runs.out / "transfer" / "rendered_and_real.png")


def worst(
    runs: Runs, probability: NDArray[np.float64], cells: NDArray[np.floating], count: int = 20
) -> list[Path]:
    """Contact sheets of each source's `count` worst misses and false alarms, in `OUT/worst`."""
    pictures, images = runs.pictures(), runs.images()
    keep, made = judged(pictures, probability), []
    for name in sources(pictures):
        mine = [n for n in keep if source(pictures[n]) == name]
        order = sorted(mine, key=lambda n: probability[n])
        picked = {
            "misses": [n for n in order if pictures[n].label == "failed"][:count],
            "false_alarms": [n for n in order[::-1] if pictures[n].label == "good"][:count],
        }
        for kind, numbers in picked.items():
            if numbers:
                path = runs.out / "worst" / f"{name}.{kind}.png"
                captions = [f"{probability[n]:.2f} {pictures[n].scene[-18:]}" for n in numbers]
                heat = [sigmoid(cells[n].astype(np.float64)) for n in numbers]
                sheets.contact_sheet([images[n] for n in numbers], captions, path, heat, side=240, columns=5)
                made.append(path)
    return made
