"""The wall of live prints: which of them a reader asked for, in which order, on which page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

from layerwatch.console.live_prints import TONES, LivePrint
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked

PAGE_SIZE = 48
SHOWS = {"all": marked("All"), "attention": marked("Need attention"), "unseen": marked("Not seen")}
MAX_SEARCH = 120


@dataclass(frozen=True, slots=True)
class WallFilter:
    """What a reader asked for.

    show: one of `SHOWS`.  text: searched in name, printer, camera and file.  by_printer: under headings.
    page: from 1.
    """

    show: str = "all"
    text: str = ""
    by_printer: bool = False
    page: int = 1

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> WallFilter:
        """The view that an address names; what is unknown in it is left out."""
        show, page = query.get("show", "all"), query.get("page", "1")
        return cls(
            show if show in SHOWS else "all",
            query.get("q", "").strip()[:MAX_SEARCH],
            query.get("group") == "printer",
            max(1, int(page[:6])) if page.isascii() and page.isdigit() else 1,
        )

    def parameters(self, **changes: str) -> dict[str, str]:
        """The view as parameters of an address, some of them changed; page 1 unless that is one of them."""
        values = {
            "show": self.show if self.show != "all" else "",
            "q": self.text,
            "group": "printer" if self.by_printer else "",
            **changes,
        }
        return {name: value for name, value in values.items() if value}

    def query(self, **changes: str) -> str:
        """The parameters as the query of an address."""
        return urlencode(self.parameters(**changes))

    @property
    def this_page(self) -> dict[str, str]:
        """The parameters of this very view."""
        return self.parameters(page=str(self.page) if self.page > 1 else "")

    @property
    def here(self) -> str:
        """This very view as the query of an address."""
        return urlencode(self.this_page)

    def includes(self, one: LivePrint) -> bool:
        """Whether the print is one that was asked for."""
        if self.show == "attention" and one.tone == "good":
            return False
        if self.show == "unseen" and not one.trouble:
            return False
        names = (one.labels.name, one.labels.printer, one.labels.camera, one.labels.file)
        text = self.text.casefold()
        return not text or any(text in name.casefold() for name in names if name)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many live prints the whole account has, whatever the view."""

    all: int
    attention: int
    unseen: int
    failing: int

    @classmethod
    def of(cls, prints: Iterable[LivePrint]) -> Counts:
        """Count."""
        tones = [(one.tone, bool(one.trouble)) for one in prints]
        return cls(
            len(tones),
            sum(tone != "good" for tone, _ in tones),
            sum(trouble for _, trouble in tones),
            sum(tone == "bad" for tone, _ in tones),
        )


@dataclass(frozen=True, slots=True)
class Wall:
    """One page of the prints that a view asks for: the most urgent first, then the oldest: places are stable.

    groups: (heading, prints); one without a heading unless they are grouped.
    first, last, found: 1-based places of the page's prints among all that fit the view.
    """

    view: WallFilter
    groups: Sequence[tuple[str, Sequence[LivePrint]]]
    first: int
    last: int
    found: int
    counts: Counts

    @property
    def prints(self) -> list[LivePrint]:
        """The prints of this page."""
        return [one for _, group in self.groups for one in group]

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.found // PAGE_SIZE))


def wall_of(prints: Iterable[LivePrint], view: WallFilter) -> Wall:
    """Filter, sort, group and cut. A page beyond the last one is the last one."""
    prints = tuple(prints)
    fitting = sorted(filter(view.includes, prints), key=_urgency)
    if view.by_printer:
        most_urgent: dict[str, int] = {}
        for one in fitting:
            most_urgent.setdefault(_printer(one), _urgency(one)[0])
        fitting.sort(key=lambda one: (most_urgent[_printer(one)], _printer(one).casefold(), _urgency(one)))
    page = min(view.page, max(1, -(-len(fitting) // PAGE_SIZE)))
    shown = fitting[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    groups = (
        [(name, list(group)) for name, group in groupby(shown, _printer)]
        if view.by_printer
        else [("", shown)] * bool(shown)
    )
    view = WallFilter(view.show, view.text, view.by_printer, page)
    first = (page - 1) * PAGE_SIZE + 1 if shown else 0
    return Wall(view, groups, first, first + len(shown) - 1 if shown else 0, len(fitting), Counts.of(prints))


def _urgency(one: LivePrint) -> tuple[int, object, str]:
    return TONES.index(one.tone), one.opened_at, one.id


def _printer(one: LivePrint) -> str:
    return one.labels.printer or one.labels.camera or _("Without a printer's name")
