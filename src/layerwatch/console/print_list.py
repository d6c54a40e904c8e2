"""Recent prints of an account, those that have ended too: filtered, searched, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from layerwatch.console.live_prints import LIVE
from layerwatch.console.print_view import PrintOutcome, labels_of, outcome_of
from layerwatch.console.wall import MAX_SEARCH
from layerwatch.core.languages import marked
from layerwatch.learning.repository import newest_kinds
from layerwatch.prints import PrintLabels
from layerwatch.prints.picture_repository import newest_seconds
from layerwatch.prints.repository import search_prints

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
    rows, found = search_prints(
        session,
        account_id,
        text=view.text,
        alarmed={"alarm": True, "fine": False}.get(view.show),
        seen_after=now - LIVE if view.show == "live" else None,
        offset=(view.page - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )
    ids = [row.context_id for row in rows]
    said = newest_kinds(session, ids)
    kept = newest_seconds(session, ids)
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
