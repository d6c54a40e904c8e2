"""What is learned on some pictures and judged on others: source by source, and rendered against real.

A source of pictures has habits (what is photographed, how, by whom) that a detector can learn instead of
failures: close-ups of products are mostly good, those from printers mostly failed. A model that saw nothing
of a source cannot have learned its habits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch_train import sheets, train
from layerwatch_train.calibrate import blended, sigmoid
from layerwatch_train.evaluate import judged
from layerwatch_train.features import kept
from layerwatch_train.index import Picture
from layerwatch_train.metrics import auroc, recall_at
from layerwatch_train.pipeline import Runs, allowed, make_samples
from layerwatch_train.samples import Rendered, Samples

_SHEET = 40
"""Pictures of each kind on the sheet that shows rendered beside real ones."""


def sources(pictures: Sequence[Picture]) -> list[str]:
    """Names of the sources with webcam pictures that are judged; the part before the slash is the name."""
    return sorted({_source(p) for p in pictures if p.view == "webcam" and p.label in ("good", "failed")})


def _source(picture: Picture) -> str:
    return picture.source.split("/")[0]


def leave_sources_out(runs: Runs, only: Sequence[str] = ()) -> str:
    """Train without each source (or those of `only`) and judge its webcam pictures; a Markdown table.

    A source with good pictures alone has no AUROC; the median logit shows how healthy they look.
    """
    pictures, made = runs.pictures(), make_samples(runs)
    webcam = np.array([p.view == "webcam" and p.label in ("good", "failed") for p in pictures])
    failed = np.array([p.label == "failed" for p in pictures])
    features = runs.features()
    lines = [
        "| left out | good | failed | AUROC | recall at 1 % | median logit, good | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in only or sources(pictures):
        without = np.array([_source(p) == name for p in pictures])
        usable = allowed(made, without)
        scores = _trained_scores(
            runs, made, usable, f"without-{name}", features[np.flatnonzero(without & webcam)]
        )
        truth = failed[without & webcam]
        lines.append(_line(name, scores, truth))
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


def _trained_scores(
    runs: Runs, made: Samples, usable: NDArray[np.int64], name: str, features: NDArray[np.float16]
) -> NDArray[np.float64]:
    """Train the recipe of the ablation on samples `usable`, kept under `name`; logits for `features`."""
    plan, folder = runs.plan, runs.out / "transfer"
    folder.mkdir(exist_ok=True)
    runs.log(f"{name}: {len(usable)} samples")
    recipe = train.Recipe(variant=plan.variant, size=plan.size, steps=plan.ablation_steps)
    weights = train.fit(made, usable, recipe, folder / f"{name}.pt", runs.log)
    answer = train.predict(weights, plan.variant, features)
    return blended(answer["failure"], answer["map"])


def rendered_gap(runs: Runs) -> str:
    """How far rendered prints are from real ones: trained on one, judged on the other; a Markdown table.

    Also writes `transfer/rendered_and_real.png`, rendered and real pictures side by side.
    """
    pictures, made, plan = runs.pictures(), make_samples(runs), runs.plan
    drawn = Rendered(runs.out / "rendered")
    path = runs.out / "transfer" / f"rendered{plan.size}.npy"
    drawn_features = kept(path, drawn.images, plan.variant, plan.size)
    drawn_failed = drawn.kinds.any(1)
    real = judged(pictures, np.zeros(len(pictures)))
    real_failed = np.array([pictures[n].label == "failed" for n in real])
    of_rendered = np.flatnonzero(made.picture < 0)  # with the blank ones
    of_real = np.flatnonzero(made.rendered < 0)
    lines = [
        "| trained on | judged on | good | failed | AUROC | recall at 1 % |",
        "|---|---|---|---|---|---|",
    ]
    for name, usable, target, truth, label in (
        ("rendered alone", of_rendered, runs.features()[real], real_failed, "real webcams"),
        ("real alone", of_real, drawn_features, drawn_failed, "rendered"),
    ):
        scores = _trained_scores(runs, made, usable, name.replace(" ", "-"), target)
        lines.append(
            f"| {name} | {label} | {(~truth).sum()} | {truth.sum()} | {auroc(scores, truth):.3f} "
            f"| {recall_at(scores, truth, 0.01):.3f} |"
        )
    _side_by_side(runs, drawn, real)
    return "\n".join(lines)


def _side_by_side(runs: Runs, drawn: Rendered, real: NDArray[np.int64]) -> None:
    images, rng = runs.images(), np.random.default_rng(0)
    shown, captions = [], []
    for a, b in zip(
        rng.choice(len(drawn), min(_SHEET, len(drawn)), replace=False),
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
        mine = [n for n in keep if _source(pictures[n]) == name]
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
