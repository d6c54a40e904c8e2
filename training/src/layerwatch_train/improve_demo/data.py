"""Who gets which pictures."""

from __future__ import annotations

import csv
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch_train.index import IndexFormatError, Picture
from layerwatch_train.split import assign_folds, source, unit

FROZEN_FOLDS = 3
"""Of what is not of the source, a fold of so many is only judged on."""

PER_PRINTER = 60
"""Pictures of one of the source's printers at most, evenly over its time."""


@dataclass(frozen=True, slots=True)
class Division:
    """Positions in the index. base: what the first detector learns from.  elsewhere: of other sources, judged
    on.  reported: of half of the source's printers, what their users report.  held: of the other half, judged
    on.  No printer, and no look-alike of a printer's pictures, is in two of them."""

    base: NDArray[np.int64]
    elsewhere: NDArray[np.int64]
    reported: NDArray[np.int64]
    held: NDArray[np.int64]


def divide(pictures: Sequence[Picture], name: str, alike: NDArray[np.int64], reporting: int = 0) -> Division:
    """name: of the source.  alike: [pictures] a number that look-alikes share.  reporting: 0 or 1, the
    half of the source's printers whose users report. Raises IndexFormatError."""
    mine = np.array([source(p) == name for p in pictures])
    if not mine.any():
        known = ", ".join(sorted({source(p) for p in pictures}))
        raise IndexFormatError(f"no picture is of {name}; the index holds {known}")
    judged = np.array([p.view == "webcam" and p.label != "other" for p in pictures])
    others = np.flatnonzero(~mine & ~np.isin(alike, alike[mine]))
    folds = assign_folds([pictures[n] for n in others], FROZEN_FOLDS)
    frozen = np.array([_frozen(pictures[n], int(fold)) for n, fold in zip(others, folds, strict=True)])
    of_source = np.flatnonzero(mine & judged)
    of_source = _evenly(pictures, of_source, PER_PRINTER)
    half = assign_folds([pictures[n] for n in of_source], 2)
    reported, held = of_source[half == reporting], of_source[half != reporting]
    held = held[~np.isin(alike[held], alike[reported])]
    return Division(others[~frozen], others[frozen], reported, held)


def _frozen(picture: Picture, fold: int) -> bool:
    """Printers by fold; photographs without one by chance, always the same."""
    return fold == 0 if fold >= 0 else zlib.crc32(picture.group.encode()) % FROZEN_FOLDS == 0


def _evenly(pictures: Sequence[Picture], positions: Iterable[int], most: int) -> NDArray[np.int64]:
    """At most so many positions of each printer and label."""
    found: list[int] = []
    printers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for n in positions:
        printers[unit(pictures[n]), pictures[n].label].append(int(n))
    for (name, _), members in sorted(printers.items()):
        both = len({label for printer, label in printers if printer == name})
        picked = np.linspace(0, len(members) - 1, min(len(members), most // both)).round().astype(int)
        found += [members[k] for k in picked]
    return np.array(sorted(found), np.int64)


def write_folder(folder: Path, data: Path, positions: Sequence[int] | NDArray[np.int64]) -> Path:
    """Make a folder with the index rows at `positions`; its pictures are those of `data`, by a link."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "pictures"
    if not link.is_symlink():
        link.symlink_to(data.resolve())
    with (data / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        for n in positions:
            table.writerow(rows[n] | {"file": f"pictures/{rows[n]['file']}"})
    return folder
