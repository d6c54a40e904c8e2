"""Live prints as the console shows them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.contexts import Answer
from layerwatch.contexts.models import ContextRow
from layerwatch.learning import RecentPictures
from layerwatch.prints import PrintLabels, PrintProgress
from layerwatch.prints.repository import labels_of
from layerwatch.temporal import PrintState, StateFormatError
from layerwatch.vision.evidence import Box, Condition, HeatMap

SHOWN = 60
LIVE = timedelta(minutes=15)
"""A print without an inspection for this long is taken for ended: the longest interval is 5 minutes."""

QUALITY_WORDS = {
    1: "Failure",
    2: "Probable failure",
    3: "Possible failure",
    4: "Watching",
    5: "Watching",
    6: "Good",
    7: "Good",
    8: "Great",
    9: "Great",
    10: "Perfect",
}
CONDITIONS = {
    "dark": "Too dark to see",
    "overexposed": "Too bright to see",
    "blurred": "Out of focus",
    "blocked": "View blocked",
    "frozen": "Picture frozen",
    "moved": "Camera moved",
    "no_print": "No print in view",
}


@dataclass(frozen=True, slots=True)
class LivePrint:
    """One print that is being watched."""

    id: str
    opened_at: datetime
    seen_at: datetime
    inspections: int
    quality: int
    score: int
    warning: bool
    pause: bool
    kind: str | None
    trouble: str
    """What keeps the camera from seeing; empty if nothing."""
    picture: bool
    """Whether this node holds its last picture."""
    boxes: Sequence[Box]
    labels: PrintLabels
    progress: PrintProgress
    undoable: bool
    """Whether its last feedback can be taken back."""

    @property
    def word(self) -> str:
        """The quality in words."""
        return QUALITY_WORDS[self.quality]

    @property
    def tone(self) -> str:
        """bad, watch, good, or blind: how the card is coloured."""
        if self.quality <= 3:  # also of a picture that is frozen
            return "bad"
        if self.trouble:
            return "blind"
        return "watch" if self.quality <= 5 else "good"


def live_prints(session: Session, recent: RecentPictures, account_id: int, now: datetime) -> list[LivePrint]:
    """The account's prints inspected lately, the worst first."""
    rows = session.scalars(
        select(ContextRow)
        .where(ContextRow.account_id == account_id, ContextRow.inspected_at > now - LIVE)
        .order_by(ContextRow.inspected_at.desc())
        .limit(SHOWN)
    ).all()
    prints = []
    labels = labels_of(session, [row.id for row in rows])
    for row in rows:
        answer = Answer.from_json(row.answer)
        held = recent.get(row.id)
        prints.append(
            LivePrint(
                id=row.id,
                opened_at=row.opened_at,
                seen_at=row.inspected_at,
                inspections=row.revision,
                quality=answer.quality,
                score=answer.score,
                warning=answer.warning,
                pause=answer.pause,
                kind=answer.kind.replace("_", " ") if answer.kind and answer.quality <= 5 else None,
                trouble="" if answer.condition == Condition.OK else CONDITIONS.get(answer.condition, ""),
                picture=held is not None,
                boxes=held.evidence.boxes if held else (),
                labels=labels.get(row.id, PrintLabels()),
                progress=PrintProgress.from_json(row.progress),
                undoable=_undoable(row.state),
            )
        )
    return sorted(prints, key=lambda shown: (shown.quality, shown.opened_at))


def _undoable(state: bytes) -> bool:
    try:
        return PrintState.from_bytes(state).before is not None
    except StateFormatError:
        return False


def heat_picture(heat: HeatMap) -> bytes:
    """The heat map as a small transparent PNG, one pixel a cell; the browser stretches it smoothly."""
    tint = Image.new("RGB", (heat.columns, heat.rows), (255, 64, 32))
    strength = Image.frombytes("L", (heat.columns, heat.rows), heat.cells).point(lambda v: v * 3 // 5)
    tint.putalpha(strength)
    out = io.BytesIO()
    tint.save(out, "PNG")
    return out.getvalue()
