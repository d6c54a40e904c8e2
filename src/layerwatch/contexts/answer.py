"""The answer to one inspection, before it is written in a client's dialect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from layerwatch.contexts.context_id import Context
from layerwatch.pacing.pacer import Plan
from layerwatch.temporal import Verdict
from layerwatch.vision.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a Process call.

    interval: the object form enforces `minimum`, the integer form sends and enforces `recommended`.
    detail: the object of `?detail=1`, None where it was not asked for.
    """

    interval: Plan
    quality: int
    score: int
    warning: bool
    pause: bool
    suspicious: bool
    kind: str | None
    condition: str
    detail: Mapping[str, Any] | None

    def to_json(self) -> str:
        """As compact JSON, for the tables."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "interval": Plan(**fields["interval"])})


def flags_in(text: str) -> tuple[bool, bool]:
    """Whether an answer that `to_json` wrote warns, and whether it suggests a pause."""
    fields = json.loads(text)
    return bool(fields.get("warning")), bool(fields.get("pause"))


Announce = Callable[[Session, Context, datetime, Answer, bool], None]
"""Notifies a print's account, in the given transaction: with this answer a warning begins, or a suggested
pause (True). The time is that of the picture."""


def describe(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    """The `Detail` object: what is seen, how likely, where, and by which model."""
    heat = evidence.heat
    return {
        "Kind": verdict.kind,
        "FailureProbability": round(evidence.failure_probability, 4),
        "Kinds": {kind: round(value, 4) for kind, value in evidence.kind_probabilities().items()},
        "Boxes": [
            {
                "Kind": box.kind,
                "Probability": round(box.probability, 4),
                "Left": round(box.left, 4),
                "Top": round(box.top, 4),
                "Width": round(box.width, 4),
                "Height": round(box.height, 4),
            }
            for box in evidence.boxes
        ],
        "HeatMap": {"Rows": heat.rows, "Columns": heat.columns, "Cells": list(heat.cells)},
        "Condition": verdict.condition.value,
        "Note": verdict.note,
        "PrintInView": round(evidence.print_in_view, 4),
        "Brightness": round(evidence.brightness, 4),
        "Sharpness": round(evidence.sharpness, 4),
        "Milliseconds": round(evidence.milliseconds, 2),
        "ModelVersion": evidence.model_version,
    }
