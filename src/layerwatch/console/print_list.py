"""Recent prints of an account, those that have ended too: filtered, searched, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from layerwatch.console.live_prints import LIVE
from layerwatch.console.print_view import PrintOutcome, labels_of, outcome_of
from layerwatch.console.wall import MAX_SEARCH
from layerwatch.core.languages import marked
from layerwatch.learning.models import FeedbackRow
from layerwatch.prints import PrintLabels
from layerwatch.prints.models import KeptPictureRow, PrintRow

PAGE_SIZE = 30
SHOWS = {
    "all": marked("All"),
    "alarm": marked("With an alarm"),
    "fine": marked("Without"),
    "live": marked("Live"),
}


@dataclass(frozen=True, slots=True)
class ListView:
    """What a reader asked for. show: one of `SHOWS`.  text: searched in all labels.  page: from 1."""

    show: str = "all"
    text: str = ""
    page: int = 1

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> ListView:
        """The view that an address names; what is unknown in it is left out."""
        show, page = query.get("show", "all"), query.get("page", "1")
        return cls(
            show if show in SHOWS else "all",
            query.get("q", "").strip()[:MAX_SEARCH],
            max(1, int(page[:6])) if page.isascii() and page.isdigit() else 1,
        )

    def query(self, **changes: str | int) -> str:
        """The query of this view's address, some of it changed; page 1 unless that is one of them."""
        values = {"show": self.show if self.show != "all" else "", "q": self.text, **changes}
        return urlencode({name: value for name, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class ListedPrint:
    """A print in the list. picture: the second of its last kept picture."""

    id: str
    labels: PrintLabels
    opened_at: datetime
    seen_at: datetime
    live: bool
    pictures: int
    worst: int
    kind: str | None
    outcome: PrintOutcome
    picture: int | None


@dataclass(frozen=True, slots=True)
class PrintList:
    """One page. found: prints that fit the view, on all pages."""

    view: ListView
    prints: Sequence[ListedPrint]
    found: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.found // PAGE_SIZE))


def list_prints(session: Session, account_id: int, view: ListView, now: datetime) -> PrintList:
    """The page that a view asks for, the newest prints first. A page beyond the last one is empty."""
    wanted = [PrintRow.account_id == account_id, PrintRow.seen_at.is_not(None), *_filters(view, now)]
    found = session.scalar(select(func.count()).select_from(PrintRow).where(*wanted)) or 0
    rows = session.scalars(
        select(PrintRow)
        .where(*wanted)
        .order_by(PrintRow.opened_at.desc(), PrintRow.context_id)
        .offset((view.page - 1) * PAGE_SIZE)
        .limit(PAGE_SIZE)
    ).all()
    ids = [row.context_id for row in rows]
    said = dict(
        session.execute(
            select(FeedbackRow.context_id, FeedbackRow.kind)
            .where(FeedbackRow.context_id.in_(ids))
            .order_by(FeedbackRow.id)
        ).all()
    )
    kept = dict(
        session.execute(
            select(KeptPictureRow.context_id, func.max(KeptPictureRow.second))
            .where(KeptPictureRow.context_id.in_(ids))
            .group_by(KeptPictureRow.context_id)
        ).all()
    )
    return PrintList(
        view,
        [
            ListedPrint(
                id=row.context_id,
                labels=labels_of(row),
                opened_at=row.opened_at,
                seen_at=row.seen_at or row.opened_at,
                live=row.seen_at is not None and row.seen_at > now - LIVE,
                pictures=row.pictures,
                worst=row.worst or 10,
                kind=row.kind,
                outcome=outcome_of(row, said.get(row.context_id)),
                picture=kept.get(row.context_id),
            )
            for row in rows
        ],
        found,
    )


def _filters(view: ListView, now: datetime) -> list[ColumnElement[bool]]:
    alarmed = PrintRow.warned_at.is_not(None) | PrintRow.paused_at.is_not(None)
    filters: list[ColumnElement[bool]] = []
    if view.show == "live":
        filters.append(PrintRow.seen_at > now - LIVE)
    elif view.show != "all":
        filters.append(alarmed if view.show == "alarm" else ~alarmed)
    if view.text:
        columns = (PrintRow.name, PrintRow.printer, PrintRow.camera, PrintRow.file)
        filters.append(or_(*(column.icontains(view.text, autoescape=True) for column in columns)))
    return filters
