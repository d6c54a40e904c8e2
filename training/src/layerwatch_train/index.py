"""The index: one CSV row for each picture, and what a label, a box and a kind mean for training.

A folder of pictures has an `index.csv` with the columns file, source, licence, label (good, failed, other),
failure_type, view (webcam, closeup, other), group, sequence, frame, width, height, boxes
(`kind:cx,cy,w,h;…` in fractions of the picture). Others train on their own pictures in the same format.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch.vision.evidence import KINDS

REQUIRED = ("file", "source", "label", "view", "group")
LABELS = ("good", "failed", "other")
UNKNOWN = -1.0
"""In a map or a kinds target: not known, so neither a positive nor a negative."""

_KINDS_OF_TYPE: dict[str, tuple[str, ...]] = {
    "spaghetti": ("spaghetti",),
    "detached": ("detachment",),
    "detachment": ("detachment",),
    "detached_blob": ("detachment", "blob"),
    "warping": ("warping",),
    "layer_shift": ("layer_shift",),
    "blob": ("blob",),
    "stringing": ("stringing",),
    "under_extrusion": ("under_extrusion",),
    "bed_not_clear": ("bed_not_clear",),
}


class IndexFormatError(ValueError):
    """The index cannot be read. The message names the row, what is wrong, and what is allowed."""


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """Where a failure (or, as kind `gantry`, a printer part) is. Centre and size in fractions of the
    picture."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Picture:
    """One row of the index. `scene` is the finest known unit of one camera watching one print."""

    file: str
    source: str
    licence: str
    label: str
    failure_type: str
    view: str
    group: str
    sequence: str
    frame: int
    boxes: tuple[LabelledBox, ...]
    note: str = ""

    @property
    def scene(self) -> str:
        return self.sequence or self.group

    @property
    def failures(self) -> tuple[LabelledBox, ...]:
        """The boxes that mark a failure."""
        if self.label != "failed":
            return ()
        return tuple(box for box in self.boxes if box.kind != "gantry")


def parse_boxes(text: str) -> tuple[LabelledBox, ...]:
    """`kind:cx,cy,w,h;…` → boxes. Raises IndexFormatError where it is malformed or not finite."""
    boxes = []
    for part in filter(None, text.split(";")):
        kind, colon, numbers = part.partition(":")
        try:
            x, y, width, height = (float(n) for n in numbers.split(","))
        except ValueError as error:
            raise IndexFormatError(f"box {part!r} is not kind:cx,cy,w,h") from error
        if not colon or not np.isfinite([x, y, width, height]).all() or min(width, height) < 0:
            raise IndexFormatError(f"box {part!r} is not kind:cx,cy,w,h in fractions of the picture")
        boxes.append(LabelledBox(kind, x, y, width, height))
    return tuple(boxes)


def read_index(folder: Path) -> list[Picture]:
    """All pictures that `folder/index.csv` lists, in its order. Raises IndexFormatError."""
    path = folder / "index.csv"
    if not path.is_file():
        raise IndexFormatError(f"no index.csv in {folder}: point --data at the folder that holds it")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            raise IndexFormatError(f"{path} lacks the column(s) {', '.join(missing)}")
        pictures = []
        for row in reader:
            try:
                pictures.append(_picture(row))
            except IndexFormatError as error:
                raise IndexFormatError(f"{path}, line {reader.line_num}: {error}") from error
    if not pictures:
        raise IndexFormatError(f"{path} lists no picture")
    return pictures


def _picture(row: dict[str, str]) -> Picture:
    if row["label"] not in LABELS:
        raise IndexFormatError(f"label {row['label']!r} is none of {', '.join(LABELS)}")
    if not row["file"] or not row["group"]:
        raise IndexFormatError("file and group must not be empty")
    frame = row.get("frame") or ""
    return Picture(
        file=row["file"],
        source=row["source"],
        licence=row.get("licence") or "",
        label=row["label"],
        failure_type=row.get("failure_type") or "",
        view=row["view"],
        group=row["group"],
        sequence=row.get("sequence") or "",
        frame=int(float(frame)) if frame else -1,
        boxes=parse_boxes(row.get("boxes") or ""),
        note=row.get("note") or "",
    )


def kinds_target(picture: Picture) -> NDArray[np.float32]:
    """[8] in the order of KINDS: 1 present, 0 absent, UNKNOWN not given by the label."""
    if picture.label == "good":
        return np.zeros(len(KINDS), np.float32)
    target = np.full(len(KINDS), UNKNOWN, np.float32)
    if picture.label != "failed" or picture.failure_type not in _KINDS_OF_TYPE:
        return target
    # What is only one thing is not the others; what is detached may well be spaghetti too.
    named = _KINDS_OF_TYPE[picture.failure_type]
    if "detachment" not in named:
        target[:] = 0.0
    for kind in named:
        target[KINDS.index(kind)] = 1.0
    return target


def paint_boxes(boxes: Iterable[LabelledBox], size: int) -> NDArray[np.uint8]:
    """[size, size] mask of the boxes, 255 inside and 0 outside; what lies beyond the picture is cut off."""
    mask = np.zeros((size, size), np.uint8)
    for box in boxes:
        left, right = (np.clip((box.x + s * box.width / 2) * size, 0, size) for s in (-1, 1))
        top, bottom = (np.clip((box.y + s * box.height / 2) * size, 0, size) for s in (-1, 1))
        mask[int(np.floor(top)) : int(np.ceil(bottom)), int(np.floor(left)) : int(np.ceil(right))] = 255
    return mask
