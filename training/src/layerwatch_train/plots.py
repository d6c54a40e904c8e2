"""Plots for the model card."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

matplotlib.use("Agg")

from matplotlib import pyplot

BINS = 12


def reliability(probability: NDArray[np.float64], failed: NDArray[np.bool_], out: Path) -> None:
    """How often pictures of about a probability have failed, over bins of equal count, as the PNG `out`."""
    order = np.argsort(probability, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    said, true = [probability[b].mean() for b in bins], [failed[b].mean() for b in bins]
    doubt = [1.96 * np.sqrt(max(t * (1 - t), 1e-4) / len(b)) for t, b in zip(true, bins, strict=True)]
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(5, 6), height_ratios=(3, 1), sharex=True, layout="constrained"
    )
    above.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    above.errorbar(said, true, yerr=doubt, fmt="o-", capsize=2)
    above.set(ylabel="share that failed", ylim=(-0.02, 1.02), title="Held-out webcam pictures")
    below.hist(
        [probability[~failed], probability[failed]],
        bins=20,
        range=(0, 1),
        stacked=True,
        label=("good", "failed"),
    )
    below.set(xlabel="probability said", ylabel="pictures", yscale="log")
    below.legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def side_by_side(
    scores: NDArray[np.float64],
    failed: NDArray[np.bool_],
    title: str,
    out: Path,
) -> None:
    """Of two detectors' probabilities [N, 2] on the same pictures: ROC curves, and each picture's two
    probabilities, as the PNG `out`."""
    figure, (curves, points) = pyplot.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    first, second = "current", "candidate"
    if failed.any() and not failed.all():
        for column, name in enumerate((first, second)):
            order = np.argsort(-scores[:, column], kind="stable")
            hits = failed[order]
            curves.plot(np.cumsum(~hits) / (~hits).sum(), np.cumsum(hits) / hits.sum(), label=name)
        curves.legend(loc="lower right")
    curves.set(xlabel="share of good pictures", ylabel="share of failed pictures", xlim=(0, 0.3), title=title)
    points.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    for label, name in ((False, "good"), (True, "failed")):
        points.scatter(*scores[failed == label].T, s=8, alpha=0.5, label=name)
    points.set(xlabel=f"{first}: failure probability", ylabel=second)
    points.legend(loc="lower right")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)
    pyplot.close(figure)
