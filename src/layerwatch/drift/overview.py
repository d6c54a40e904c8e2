"""Drift as operators see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from layerwatch.drift import repository
from layerwatch.drift.counts import LARGE, SLIGHT, DriftCounts, Shift
from layerwatch.drift.repository import Key

MAX_PRINTERS = 20
"""On the page: those that changed most."""


def drift_table(session: Session, at: datetime) -> list[dict[str, Any]]:
    """A row for each model and kind of camera with pictures now; those that changed most first."""
    day = repository.day_of(at)
    shifts = dict(repository.shifts(session, day, printers=False))
    rows = [_row(key, counts, shifts.get(key)) for key, counts in repository.current(session, day)]
    return sorted(rows, key=lambda row: -(row["scores"] or 0.0))


def printers_table(session: Session, at: datetime) -> list[dict[str, Any]]:
    """The printers that changed most, at most `MAX_PRINTERS`."""
    shifts = repository.shifts(session, repository.day_of(at), printers=True)[:MAX_PRINTERS]
    return [_row(key, shift.current, shift) for key, shift in shifts]


def _row(key: Key, now: DriftCounts, shift: Shift | None) -> dict[str, Any]:
    """Figures that need a reference are None without one. change: none, slight or large."""
    return {
        **key._asdict(),
        "pictures": now.pictures,
        "alarm_rate": now.alarm_rate,
        "reference_pictures": shift.reference.pictures if shift else 0,
        "reference_alarm_rate": shift.reference.alarm_rate if shift else None,
        "scores": shift.scores if shift else None,
        "conditions": shift.conditions if shift else None,
        "change": _word(shift.worst) if shift else "",
    }


def _word(index: float) -> str:
    return "large" if index >= LARGE else "slight" if index >= SLIGHT else "none"
