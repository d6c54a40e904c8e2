"""One print as its page shows it: while it is watched and after its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from layerwatch.console.live_prints import (
    FAILING_QUALITY,
    FEEDBACK_WORDS,
    SUSPICIOUS_QUALITY,
    GivenFeedback,
    LivePrint,
    live_prints,
)
from layerwatch.contexts.repository import find_row
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked
from layerwatch.identity import NotFound
from layerwatch.learning.repository import feedback_of_print
from layerwatch.learning.verdicts import FAILED
from layerwatch.prints import PrintLabels, PrintProgress, events, picture_repository, repository
from layerwatch.prints.events import PrintEvent
from layerwatch.prints.models import PrintRow
from layerwatch.prints.moments import Moment

NEAR_S = 90
"""A kept picture is shown for a moment that is no further away."""


@dataclass(frozen=True, slots=True)
class PrintOutcome:
    """What became of a print. tone: as of a card."""

    words: str
    tone: str


@dataclass(frozen=True, slots=True)
class PrintView:
    """One print. live: None after its end.  course: ascending.  kept: seconds of kept pictures, ascending.
    feedback: what was given and not taken back, oldest first."""

    id: str
    labels: PrintLabels
    opened_at: datetime
    seen_at: datetime | None
    expires_at: datetime
    live: LivePrint | None
    progress: PrintProgress
    outcome: PrintOutcome
    course: Sequence[Moment]
    kept: Sequence[int]
    kept_bytes: int
    feedback: Sequence[GivenFeedback]
    events: Sequence[PrintEvent]

    @property
    def seconds(self) -> float:
        """For how long it was watched."""
        return max(0.0, (self.seen_at - self.opened_at).total_seconds()) if self.seen_at else 0.0

    def at(self, second: int | None) -> Moment | None:
        """The moment nearest to a second; the last one without."""
        if not self.course:
            return None
        if second is None:
            return self.course[-1]
        return min(self.course, key=lambda one: abs(one.second - second))

    def picture_near(self, moment: Moment) -> int | None:
        """The second of the kept picture for a moment."""
        near = min(self.kept, key=lambda second: abs(second - moment.second), default=None)
        return near if near is not None and abs(near - moment.second) <= NEAR_S else None

    def neighbours(self, moment: Moment) -> tuple[int | None, int | None]:
        """Seconds of the moments before and after."""
        place = self.course.index(moment)
        before = self.course[place - 1].second if place else None
        after = self.course[place + 1].second if place + 1 < len(self.course) else None
        return before, after

    def time_of(self, second: float) -> datetime:
        """The service's time at a second of the print."""
        return self.opened_at + timedelta(seconds=second)


def view_print(session: Session, account_id: int, context_id: str, now: datetime) -> PrintView:
    """A print of the account. Raises NotFound, also for another account's."""
    row = repository.find_print(session, context_id)
    context = find_row(session, context_id)
    owner = row.account_id if row is not None else context.account_id if context is not None else None
    if owner != account_id:
        raise NotFound(_("There is no such print. It may have been deleted."))
    live = next(iter(live_prints(session, account_id, now, context_id)), None)
    opened_at = row.opened_at if row is not None else context.opened_at  # type: ignore[union-attr]
    given = [
        GivenFeedback(one.id, one.kind, one.at) for one in feedback_of_print(session, account_id, context_id)
    ]
    seen_at = live.seen_at if live is not None else row.seen_at if row is not None else None
    return PrintView(
        id=context_id,
        labels=labels_of(row),
        opened_at=opened_at,
        seen_at=seen_at or (context.inspected_at if context is not None else None),
        expires_at=row.expires_at if row is not None else context.expires_at,  # type: ignore[union-attr]
        live=live,
        progress=live.progress if live else PrintProgress.from_json(row.progress if row else None),
        outcome=outcome_of(row, given[-1].kind if given else None),
        course=repository.timeline(session, context_id),
        kept=picture_repository.kept_seconds(session, context_id),
        kept_bytes=picture_repository.kept_bytes(session, context_id=context_id),
        feedback=given,
        events=events.of_print(session, context_id),
    )


def labels_of(row: PrintRow | None) -> PrintLabels:
    """The labels in a row."""
    return PrintLabels() if row is None else PrintLabels(row.name, row.printer, row.camera, row.file)


def outcome_of(row: PrintRow | None, feedback: str | None) -> PrintOutcome:
    """What became of a print. feedback: the kind of the newest one."""
    if feedback is not None and feedback != "resumed":
        return PrintOutcome(FEEDBACK_WORDS[feedback], "bad" if feedback in FAILED else "marked")
    if row is None or row.worst is None:
        return PrintOutcome(marked("Nothing noted"), "blind")
    if row.paused_at is not None:
        return PrintOutcome(marked("Pause suggested"), "bad")
    if row.warned_at is not None:
        return PrintOutcome(marked("Warned"), "bad")
    if row.worst <= FAILING_QUALITY:
        return PrintOutcome(marked("Possible failure"), "watch")
    if row.worst <= SUSPICIOUS_QUALITY:
        return PrintOutcome(marked("Watched closely"), "watch")
    return PrintOutcome(marked("Fine"), "good")
