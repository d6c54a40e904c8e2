"""The report: per source and in total, webcam pictures only, labels good and failed.

Scores come from outside, so the same table judges the cross-validated detector, a baseline, or any ONNX
file on pictures it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch_train.index import Picture
from layerwatch_train.metrics import auprc, auroc, bootstrap, calibration_error, recall_at, threshold_at
from layerwatch_train.split import unit

KEPT_RECALL = 0.9
"""Healthy sequences are judged above the threshold that keeps this recall."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report; figures that a source with one class only cannot have are NaN."""

    name: str
    good: int
    failed: int
    auroc: float
    auroc_interval: tuple[float, float]
    auprc: float
    recall_1: float
    recall_1_interval: tuple[float, float]
    recall_01: float
    ece: float
    alarms: float
    """Share of good pictures above the pooled threshold that keeps KEPT_RECALL."""
    found: float
    """Share of failed pictures above the pooled threshold of 1 % false alarms."""


def judged(pictures: Sequence[Picture], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the pictures that count: webcam, good or failed, and scored."""
    return np.array(
        [
            n
            for n, p in enumerate(pictures)
            if p.view == "webcam" and p.label in ("good", "failed") and np.isfinite(scores[n])
        ],
        np.int64,
    )


def report(pictures: Sequence[Picture], probability: NDArray[np.float64], rounds: int = 500) -> list[Row]:
    """A row for each source (a large source is also split by scene with failures), and last the total."""
    keep = judged(pictures, probability)
    chosen, p = [pictures[n] for n in keep], probability[keep]
    failed = np.array([c.label == "failed" for c in chosen])
    kept = float(np.quantile(p[failed], 1 - KEPT_RECALL))
    one = threshold_at(p, failed, 0.01)
    names = np.array([c.source.split("/")[0] for c in chosen])
    units = [unit(c) for c in chosen]

    def row(name: str, where: NDArray[np.bool_], rounds: int) -> Row:
        s, f = p[where], failed[where]
        groups = [u for u, w in zip(units, where, strict=True) if w]
        both = bool(f.any() and not f.all())
        nothing = (float("nan"), float("nan"))
        return Row(
            name,
            int((~f).sum()),
            int(f.sum()),
            auroc(s, f),
            bootstrap(auroc, s, f, groups, rounds) if both and rounds else nothing,
            auprc(s, f),
            recall_at(s, f, 0.01),
            bootstrap(lambda a, b: recall_at(a, b, 0.01), s, f, groups, rounds)
            if both and rounds
            else nothing,
            recall_at(s, f, 0.001),
            calibration_error(s, f),
            float((s[~f] > kept).mean()) if (~f).any() else float("nan"),
            float((s[f] > one).mean()) if f.any() else float("nan"),
        )

    rows = [row(str(name), names == name, 0) for name in sorted(set(names))]
    return [*rows, row("all", np.ones(len(p), bool), rounds)]


def by_scene(
    pictures: Sequence[Picture], probability: NDArray[np.float64]
) -> list[tuple[str, int, int, float, float]]:
    """(scene, good, failed, AUROC inside the scene, share of its failures found at 1 % pooled false
    alarms)."""
    keep = judged(pictures, probability)
    p, failed = probability[keep], np.array([pictures[n].label == "failed" for n in keep])
    one = threshold_at(p, failed, 0.01)
    scenes = np.array([pictures[n].scene for n in keep])
    rows = []
    for scene in sorted(set(scenes)):
        s, f = p[scenes == scene], failed[scenes == scene]
        rows.append(
            (
                str(scene),
                int((~f).sum()),
                int(f.sum()),
                auroc(s, f),
                float((s[f] > one).mean()) if f.any() else float("nan"),
            )
        )
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """The report as a Markdown table."""
    lines = [
        "| source | good | failed | AUROC | AUPRC | recall at 1 % | recall at 0.1 % | ECE "
        "| good above t90 | found at 1 % pooled |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        area = _figure(r.auroc) + _interval(r.auroc_interval)
        recall = _figure(r.recall_1) + _interval(r.recall_1_interval)
        cells = [
            r.name,
            str(r.good),
            str(r.failed),
            area,
            _figure(r.auprc),
            recall,
            _figure(r.recall_01),
            _figure(r.ece),
            _figure(r.alarms),
            _figure(r.found),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _interval(pair: tuple[float, float]) -> str:
    return "" if np.isnan(pair[0]) else f" ({pair[0]:.2f}-{pair[1]:.2f})"
