"""How hard prints are to judge: what the detector says of their healthy and of their failing frames.

Modelled prints are worth what they share with real ones; this puts them side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal.baseline import logit
from layerwatch.vision.evidence import Condition
from layerwatch_train.temporal.prints import Print

MIN_FRAMES = 5
"""Of a stretch; fewer say nothing about its spread."""

Logits = NDArray[np.float64]

ROWS = (
    "healthy stretches of 5 frames or more",
    "median logit, mean±spread over stretches",
    "stretches that fool the detector (median above 0)",
    "spread within a stretch, median",
    "correlation of successive frames, median",
    "climb, last quarter over first, 90 % of stretches below",
    "frames 1.5 logits above the stretch's median",
    "the same, 3 logits above",
    "failing, median logit",
)


def hardness(prints: Sequence[Print]) -> list[str]:
    """A cell for each of `ROWS`. A print's healthy part is one stretch; unfit pictures are left out."""
    healthy, failing = [], []
    for one in prints:
        values = np.array([logit(score) if np.isfinite(score) else np.nan for score in one.scores.tolist()])
        fit = np.isfinite(values) & np.array([condition is Condition.OK for condition in one.conditions])
        well = one.seconds < one.healthy_seconds
        if np.count_nonzero(fit & well) >= MIN_FRAMES:
            healthy.append(values[fit & well])
        if one.onset is not None and np.any(fit & (one.seconds >= one.onset)):
            failing.append(float(np.median(values[fit & (one.seconds >= one.onset)])))
    if not healthy:
        return ["0", *["-"] * (len(ROWS) - 1)]
    medians = np.array([np.median(values) for values in healthy])
    above = np.concatenate([values - np.median(values) for values in healthy])
    return [
        f"{len(healthy)}",
        f"{medians.mean():.1f}±{medians.std():.1f}",
        f"{100 * (medians > 0).mean():.0f} %",
        f"{np.median([values.std() for values in healthy]):.2f}",
        f"{np.median([_correlation(values) for values in healthy]):.2f}",
        f"{np.quantile([_climb(values) for values in healthy], 0.9):.1f}",
        f"{100 * (above >= 1.5).mean():.1f} %",
        f"{100 * (above >= 3.0).mean():.1f} %",
        f"{np.mean(failing):.1f}±{np.std(failing):.1f}" if failing else "-",
    ]


def hardness_table(groups: Sequence[tuple[str, Sequence[Print]]]) -> str:
    """The groups side by side, as Markdown."""
    cells = [hardness(prints) for _, prints in groups]
    head = "| | " + " | ".join(name for name, _ in groups) + " |\n|" + "---|" * (len(groups) + 1)
    rows = [f"| {name} | " + " | ".join(each) + " |" for name, *each in zip(ROWS, *cells, strict=True)]
    return "\n".join([head, *rows])


def _correlation(values: Logits) -> float:
    off = values - values.mean()
    return float((off[1:] * off[:-1]).sum() / max(float((off * off).sum()), 1e-9))


def _climb(values: Logits) -> float:
    quarter = max(len(values) // 4, 1)
    return float(np.median(values[-quarter:]) - np.median(values[:quarter]))
