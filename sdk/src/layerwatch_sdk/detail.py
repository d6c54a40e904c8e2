"""Reading an answer's extra information."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from layerwatch_sdk.models import (
    Box,
    Detail,
    HeatMap,
)


def read_detail(raw: Mapping[str, Any]) -> Detail:
    """Extra information is read leniently: a field in an unknown shape is left out, the verdict stands."""
    kinds = raw.get("Kinds")
    kinds = kinds if isinstance(kinds, dict) else {}
    boxes = raw.get("Boxes")
    probability = raw.get("FailureProbability")
    return Detail(
        kind=optional_text(raw.get("Kind")),
        kinds={str(k): float(v) for k, v in kinds.items() if is_fraction(v)}
        if isinstance(kinds, dict)
        else {},
        boxes=tuple(box for box in map(_box, boxes) if box is not None) if isinstance(boxes, list) else (),
        condition=optional_text(raw.get("Condition")),
        model_version=optional_text(raw.get("ModelVersion")),
        raw=raw,
        failure_probability=probability if is_fraction(probability) else None,
        heat_map=_heat_map(raw.get("HeatMap")),
        note=optional_text(raw.get("Note")),
    )


def _heat_map(raw: object) -> Optional[HeatMap]:
    if not isinstance(raw, dict):
        return None
    rows, columns, cells = raw.get("Rows"), raw.get("Columns"), raw.get("Cells")
    if type(rows) is not int or type(columns) is not int or not isinstance(cells, list):
        return None
    if len(cells) != rows * columns or not all(type(cell) is int and 0 <= cell <= 255 for cell in cells):
        return None
    return HeatMap(rows, columns, bytes(cells))


def _box(raw: object) -> Optional[Box]:
    if not isinstance(raw, dict) or not isinstance(raw.get("Kind"), str):
        return None
    numbers = [raw.get(name) for name in ("Probability", "Left", "Top", "Width", "Height")]
    if not all(is_fraction(number) for number in numbers):
        return None
    probability, left, top, width, height = (float(number) for number in numbers if number is not None)
    return Box(raw["Kind"], probability, left, top, width, height)


def is_fraction(value: object) -> bool:
    """Whether it is a number from 0 to 1."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def optional_text(value: object) -> Optional[str]:
    """The text; None for anything else."""
    return value if isinstance(value, str) else None
