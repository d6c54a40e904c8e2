"""Live prints as the console shows them."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from PIL import Image
from sqlalchemy.orm import Session

from layerwatch.acting.actions import NOT_CONNECTED, Connection, connections
from layerwatch.contexts import Answer
from layerwatch.contexts.context_id import unpack_levels
from layerwatch.contexts.repository import inspected_since
from layerwatch.core.languages import marked
from layerwatch.learning import RecentPictures
from layerwatch.learning.repository import feedback_since
from layerwatch.learning.verdicts import CORRECT_ALARM
from layerwatch.prints import PrintLabels, PrintProgress
from layerwatch.prints.repository import labels_by_print
from layerwatch.temporal import Levels
from layerwatch.temporal.constants import MARKED_QUALITY
from layerwatch.vision.evidence import Condition, Evidence, HeatMap

LIVE = timedelta(minutes=15)
"""A print without an inspection for this long has ended: the longest interval is 5 minutes."""
LATE_FACTOR, LATE_GRACE = 2, timedelta(seconds=60)
"""A picture is late once this many promised intervals and the grace have passed since the last one."""
MAX_LIVE = 10_000
"""Prints read for one account; a larger farm needs several accounts."""

QUALITY_WORDS = {
    1: marked("Failure"),
    2: marked("Probable failure"),
    3: marked("Possible failure"),
    4: marked("Watching"),
    5: marked("Watching"),
    6: marked("Good"),
    7: marked("Good"),
    8: marked("Great"),
    9: marked("Great"),
    10: marked("Perfect"),
}
FAILING_QUALITY, SUSPICIOUS_QUALITY = 3, 5
"""Up to which quality a print counts as failing, and as worth a look."""
CONDITIONS = {
    "dark": marked("Too dark to see"),
    "overexposed": marked("Too bright to see"),
    "blurred": marked("Out of focus"),
    "blocked": marked("View blocked"),
    "frozen": marked("Picture frozen"),
    "moved": marked("Camera moved"),
    "no_print": marked("No print in view"),
}
FEEDBACK_WORDS = {
    "false_alarm": marked("Marked as false alarm"),
    "resumed": marked("Marked as fine when it was resumed"),
    "missed": marked("Reported as a missed failure"),
    "good": marked("Marked as fine"),
    "correct_alarm": marked("Confirmed as a failure"),
}
TONES = ("bad", "watch", "marked", "blind", "good")
"""How a card is coloured, the most urgent first."""


@dataclass(frozen=True, slots=True)
class GivenFeedback:
    """The newest feedback on a print."""

    id: int
    kind: str
    at: datetime

    @property
    def words(self) -> str:
        """What was said."""
        return FEEDBACK_WORDS.get(self.kind, self.kind)


@dataclass(frozen=True, slots=True)
class LivePrint:
    """One print that is being watched. inspections: grows with every picture and every feedback."""

    id: str
    opened_at: datetime
    seen_at: datetime
    inspections: int
    quality: int
    score: int
    warning: bool
    pause: bool
    kind: str | None
    condition: str
    """What keeps the camera from seeing; empty if nothing."""
    late: bool
    """Whether the promised picture is overdue."""
    feedback: GivenFeedback | None
    labels: PrintLabels
    progress: PrintProgress
    connection: Connection = NOT_CONNECTED
    levels: Levels | None = None
    """Where a person has set others than the print was opened with."""

    @property
    def key(self) -> str:
        """Changes whenever the card does."""
        given = self.feedback.id if self.feedback else 0
        level = f"{self.levels.warning}{self.levels.pause}" if self.levels else ""
        return f"{self.inspections}.{given}.{int(self.late)}.{self.connection.key}.{level}"

    @property
    def title(self) -> str:
        """The best name that there is for it."""
        return self.labels.title

    @property
    def place(self) -> str:
        """The printer or camera, where the title is not already that."""
        return self.labels.place

    @property
    def unjudged(self) -> bool:
        """Whether no picture was judged since the newest feedback that may change the verdict."""
        given = self.feedback
        return given is not None and given.kind != CORRECT_ALARM and given.at >= self.seen_at

    @property
    def marked(self) -> bool:
        """Whether the quality follows from feedback: no picture was judged since, or the map is still red."""
        if self.feedback is None:
            return False
        if self.unjudged:
            return True
        accepted = self.feedback.kind in ("false_alarm", "resumed", "good")
        return accepted and SUSPICIOUS_QUALITY < self.quality <= MARKED_QUALITY

    @property
    def word(self) -> str:
        """The quality in words."""
        if self.marked:
            return marked("As marked by you")
        if self.tone == "blind":
            return self.trouble
        return QUALITY_WORDS[self.quality]

    @property
    def trouble(self) -> str:
        """Why the print is not seen; empty if it is."""
        return marked("Not seen recently") if self.late else self.condition

    @property
    def tone(self) -> str:
        """One of `TONES`."""
        if self.marked:
            return "marked"
        if self.quality <= FAILING_QUALITY:
            return "bad"
        if self.trouble:
            return "blind"
        return "watch" if self.quality <= SUSPICIOUS_QUALITY else "good"

    @property
    def shows_map(self) -> bool:
        """Whether there is something to see in the map of the failure."""
        return self.quality <= MARKED_QUALITY


def live_prints(
    session: Session, account_id: int, now: datetime, context_id: str | None = None
) -> tuple[LivePrint, ...]:
    """The account's recently inspected prints, by the time when they were opened.

    context_id: only this one.
    """
    found = inspected_since(session, [account_id], now - LIVE, now, context_id=context_id, limit=MAX_LIVE)
    labels = labels_by_print(session, [row.id for row in found])
    feedback = _newest_feedback(session, account_id, found[0].opened_at) if found else {}
    # Watchers and actions live in real time, whatever the clock of the prints.
    connected = connections(session, account_id, datetime.now(UTC)) if found else {}
    prints = []
    for row in found:
        answer = Answer.from_json(row.answer)
        due = row.inspected_at + LATE_FACTOR * timedelta(milliseconds=row.interval_ms) + LATE_GRACE
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
                kind=answer.kind.replace("_", " ")
                if answer.kind and answer.quality <= SUSPICIOUS_QUALITY
                else None,
                condition="" if answer.condition == Condition.OK else CONDITIONS.get(answer.condition, ""),
                late=now > due,
                feedback=feedback.get(row.id),
                labels=labels.get(row.id, PrintLabels()),
                progress=PrintProgress.from_json(row.progress),
                connection=connected.get(row.id, NOT_CONNECTED),
                levels=unpack_levels(row.levels) if row.levels is not None else None,
            )
        )
    return tuple(prints)


def _newest_feedback(session: Session, account_id: int, since: datetime) -> dict[str, GivenFeedback]:
    rows = feedback_since(session, account_id, since)
    return {row.context_id: GivenFeedback(row.id, row.kind, row.at) for row in rows}


def holds_pictures(recent: RecentPictures, context_id: str) -> bool:
    """Whether this server may hold the print's last picture; asks no other process."""
    return recent.elsewhere is not None or recent.own(context_id) is not None


def map_drawing(evidence: Evidence) -> str:
    """Where the failure is seen, as a transparent SVG that the browser stretches over the picture.

    The heat map is a PNG of one pixel a cell in it; the boxes are drawn over that.
    """
    cells = b64encode(_heat_picture(evidence.heat)).decode()
    boxes = "".join(
        f'<rect x="{1000 * box.left:.0f}" y="{1000 * box.top:.0f}" width="{1000 * box.width:.0f}"'
        f' height="{1000 * box.height:.0f}" rx="8"/>'
        for box in evidence.boxes
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        f'<image width="1000" height="1000" preserveAspectRatio="none" href="data:image/png;base64,{cells}"/>'
        f'<g fill="none" stroke="#ff6a3d" stroke-width="6">{boxes}</g></svg>'
    )


def _heat_picture(heat: HeatMap) -> bytes:
    tint = Image.new("RGB", (heat.columns, heat.rows), (255, 64, 32))
    strength = Image.frombytes("L", (heat.columns, heat.rows), heat.cells).point(lambda v: v * 3 // 5)
    tint.putalpha(strength)
    out = io.BytesIO()
    tint.save(out, "PNG")
    return out.getvalue()
