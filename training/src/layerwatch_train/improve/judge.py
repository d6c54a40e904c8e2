"""Is the candidate better than the current detector? Both int8 files on pictures that the candidate has not
seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from layerwatch_train.improve.examples import Decoded, Example
from layerwatch_train.metrics import Labels, Scores, auroc, bootstrap, calibration_error, recall_at
from layerwatch_train.pipeline import run
from layerwatch_train.split import unit

ALARM = 0.5
"""Failure probability from which a picture counts as an alarm, as in the service's live comparison."""

LARGEST_DROP = 0.02
"""AUROC that may be lost on a set, whatever its interval: few groups make wide ones."""

MORE_FALSE_ALARMS = 0.02
"""Share of good pictures that may alarm in addition."""

LEAST_GROUPS = 5
"""In a set whose intervals count: fewer groups drawn with replacement say little."""

LEAST_GOOD = 40
"""Pictures in a set whose recall at 5 % counts: two of them may alarm."""

BETTER, NOT_BETTER, WORSE = "better", "not better", "worse"

_AT_ONCE = 64


def _false_alarms(scores: Scores, failed: Labels) -> float:
    return float((scores[~failed] >= ALARM).mean()) if not failed.all() else math.nan


def _found(scores: Scores, failed: Labels) -> float:
    return float((scores[failed] >= ALARM).mean()) if failed.any() else math.nan


FIGURES: dict[str, Callable[[Scores, Labels], float]] = {
    "AUROC": auroc,
    "recall at 1 %": lambda scores, failed: recall_at(scores, failed, 0.01),
    "recall at 5 %": lambda scores, failed: recall_at(scores, failed, 0.05),
    "found at 0.5": _found,
    "false alarms at 0.5": _false_alarms,
    "ECE": calibration_error,
}


@dataclass(frozen=True, slots=True)
class Set:
    """Pictures to judge on, by a name for people."""

    name: str
    examples: Sequence[Example]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both detectors on a set. low, high: 95 % interval of candidate - current over groups drawn
    with replacement, the same groups for both; NaN where the set cannot have the figure."""

    current: float
    candidate: float
    low: float
    high: float

    @property
    def change(self) -> float:
        return self.candidate - self.current


@dataclass(frozen=True, slots=True)
class Judged:
    """A set's figures by name, and the probabilities they come from: [N, 2], current and candidate."""

    name: str
    good: int
    failed: int
    groups: int
    figures: dict[str, Figure]
    scores: Scores
    labels: Labels


@dataclass(frozen=True, slots=True)
class Verdict:
    """outcome: BETTER, NOT_BETTER or WORSE.  why: a sentence for each reason."""

    outcome: str
    why: tuple[str, ...]


def judge(sets: Sequence[Set], current: Path, candidate: Path, size: int, rounds: int = 1000) -> list[Judged]:
    """Score every set with both files and compare them."""
    sessions = [onnxruntime.InferenceSession(str(path)) for path in (current, candidate)]
    return [_judged(one, sessions, size, rounds) for one in sets if one.examples]


def _judged(one: Set, sessions: Sequence[onnxruntime.InferenceSession], size: int, rounds: int) -> Judged:
    decoded = Decoded(one.examples)
    parts = []
    for start in range(0, len(decoded), _AT_ONCE):
        images = decoded.at(size, range(start, min(start + _AT_ONCE, len(decoded))))
        parts.append(np.stack([run(session, images)["failure"] for session in sessions], axis=1))
    scores = np.concatenate(parts).astype(np.float64)
    failed = np.array([e.failed for e in one.examples])
    return compared(one.name, scores, failed, [unit(e.picture) for e in one.examples], rounds)


def compared(name: str, scores: Scores, failed: Labels, groups: Sequence[str], rounds: int = 1000) -> Judged:
    """Figures of [N, 2] probabilities, current and candidate, with paired intervals over `groups`."""
    figures = {}
    for title, figure in FIGURES.items():
        values = [figure(scores[:, n], failed) for n in (0, 1)]
        low = high = math.nan
        if not any(map(math.isnan, values)):
            low, high = bootstrap(_difference(figure), scores, failed, groups, rounds)
        figures[title] = Figure(values[0], values[1], low, high)
    count = len(set(groups))
    return Judged(name, int((~failed).sum()), int(failed.sum()), count, figures, scores, failed)


def _difference(figure: Callable[[Scores, Labels], float]) -> Callable[[Scores, Labels], float]:
    return lambda scores, failed: figure(scores[:, 1], failed) - figure(scores[:, 0], failed)


def verdict(sets: Sequence[Judged]) -> Verdict:
    """WORSE if any set shows it, else BETTER if any set does beyond its interval.

    A fall of the AUROC by more than `LARGEST_DROP` counts on any set, all else on those with `LEAST_GROUPS`.
    """
    worse, better = [], []
    for one in sets:
        if (area := one.figures["AUROC"]).change < -LARGEST_DROP:
            worse.append(f"{one.name}: AUROC {_moved(area)}")
            continue
        if one.groups < LEAST_GROUPS:
            continue
        recall = one.figures["recall at 5 %"]
        alarms, found = one.figures["false alarms at 0.5"], one.figures["found at 0.5"]
        if area.high < 0:
            worse.append(f"{one.name}: AUROC {_moved(area)}")
        if recall.high < 0 and one.good >= LEAST_GOOD:
            worse.append(f"{one.name}: recall at 5 % false alarms {_moved(recall)}")
        if alarms.low > 0 and alarms.change > MORE_FALSE_ALARMS:
            worse.append(f"{one.name}: good pictures that alarm {_moved(alarms)}")
        if area.low > 0:
            better.append(f"{one.name}: AUROC {_moved(area)}")
        if recall.low > 0 and one.good >= LEAST_GOOD:
            better.append(f"{one.name}: recall at 5 % false alarms {_moved(recall)}")
        if math.isnan(area.change):  # one label only: users reported nothing but misses, or false alarms
            if found.high < 0:
                worse.append(f"{one.name}: failures found {_moved(found)}")
            if alarms.high < 0 or found.low > 0:
                better.append(f"{one.name}: {'fewer false alarms' if one.good else 'more failures found'}")
    if worse:
        return Verdict(WORSE, tuple(worse))
    if better:
        return Verdict(BETTER, tuple(better))
    return Verdict(NOT_BETTER, ("no set shows a gain beyond its interval",))


def _moved(figure: Figure) -> str:
    return f"{figure.current:.3f} → {figure.candidate:.3f} ({figure.low:+.3f} to {figure.high:+.3f})"


def as_json(judged: Sequence[Judged], found: Verdict) -> dict[str, Any]:
    """The figures for a file's metadata: verdict, reasons, and a row for each set."""
    sets = [
        {
            "name": one.name,
            "good": one.good,
            "failed": one.failed,
            "groups": one.groups,
            "figures": {
                title: [_rounded(v) for v in (f.current, f.candidate, f.low, f.high)]
                for title, f in one.figures.items()
            },
        }
        for one in judged
    ]
    return {"verdict": found.outcome, "why": list(found.why), "sets": sets}


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def margins(labels: NDArray[np.bool_], scores: Scores) -> tuple[int, int]:
    """(mended, broken): pictures that only the candidate, and only the current detector, judges right."""
    right = (scores >= ALARM) == labels[:, None]
    return int((right[:, 1] & ~right[:, 0]).sum()), int((right[:, 0] & ~right[:, 1]).sum())
