"""Splits that keep what one camera saw on one side.

The unit is the index's `group`, except that groups of one `printer prefix` (several prints of the same
printer under the same camera) go together too: a held-out print of a known printer is not an unseen
printer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from layerwatch_train.index import Picture

SAME_PRINTER_PREFIXES = ("emptydeck_",)
"""Group-name prefixes that denote one printer under one camera."""


def unit(picture: Picture) -> str:
    """The printer-and-camera that must not be split."""
    for prefix in SAME_PRINTER_PREFIXES:
        if picture.group.startswith(prefix):
            return prefix
    return picture.group


def source(picture: Picture) -> str:
    """The name of a picture's source: the part before the slash."""
    return picture.source.split("/")[0]


def split_sources(pictures: Sequence[Picture]) -> frozenset[str]:
    """The sources, at most one, that hold more than half of the failed webcam pictures: without them too
    little would be left to learn from, so they are split by printer, where others are held out whole."""
    failed = Counter(source(p) for p in pictures if p.view == "webcam" and p.label == "failed")
    return frozenset(name for name, count in failed.items() if count > failed.total() / 2)


def assign_folds(
    pictures: Sequence[Picture], folds: int, unit: Callable[[Picture], str] = unit
) -> NDArray[np.int64]:
    """[len(pictures)] fold number for each picture; -1 for units without a webcam picture, always trained on.

    Greedy, largest unit first, into the fold where the sums of squares of good and of failed webcam
    pictures grow
    least, so that every fold can be judged. Deterministic.
    """
    if folds < 2:
        raise ValueError(f"need at least 2 folds, not {folds}")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for picture in pictures:
        if picture.view == "webcam" and picture.label != "other":
            counts[unit(picture)][picture.label] += 1
    total = {label: max(1, sum(c[label] for c in counts.values())) for label in ("good", "failed")}

    def shares(counter: Counter[str]) -> NDArray[np.float64]:
        return np.array([counter["good"] / total["good"], counter["failed"] / total["failed"]])

    load = np.zeros((folds, 2))
    fold_of: dict[str, int] = {}
    for name in sorted(counts, key=lambda n: (-float(shares(counts[n]).sum()), n)):
        grown = [float((((load[f] + shares(counts[name])) ** 2) - load[f] ** 2).sum()) for f in range(folds)]
        fold_of[name] = int(np.argmin(grown))
        load[fold_of[name]] += shares(counts[name])
    return np.array([fold_of.get(unit(p), -1) for p in pictures], np.int64)
