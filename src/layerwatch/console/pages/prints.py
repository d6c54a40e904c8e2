"""The overview: every print that is being watched, live; and what people say of a print."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import anyio.from_thread
from starlette.responses import Response, StreamingResponse

from layerwatch.console.live_prints import LivePrint, holds_pictures, live_prints, map_drawing
from layerwatch.console.live_stream import LiveStream, News
from layerwatch.console.own_machine import is_own_machine
from layerwatch.console.picture_sheet import picture_sheet
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.render import render_text
from layerwatch.console.visit import Visit
from layerwatch.console.visitor import signed_in
from layerwatch.console.wall import PAGE_SIZE, SHOWS, Wall, WallFilter, wall_of
from layerwatch.console.wall_news import WallNews
from layerwatch.contexts import ContextError
from layerwatch.contexts.repository import find_row, open_ids
from layerwatch.core.languages import gettext as _
from layerwatch.core.text import is_unsafe
from layerwatch.identity import BadInput, NotAllowed, NotFound
from layerwatch.identity.roles import Role
from layerwatch.learning import FeedbackLimitReached, LearningError
from layerwatch.learning.recent import RecentPicture
from layerwatch.learning.repository import newest_feedback
from layerwatch.learning.verdicts import FeedbackDetails
from layerwatch.prints import events
from layerwatch.temporal import TEACHERS, UNDO, UNDO_EARLIER

pages = Pages()


@pages.get("/", Needs.READ_ONLY)
def overview(visit: Visit) -> Response:
    """Live prints of the account."""
    with visit.services.database.read() as session:
        prints = live_prints(session, visit.account_id, visit.clock)
    wall = wall_of(prints, WallFilter.parse(visit.request.query_params))
    return visit.page("prints.html", **_Renderer(visit).page_values(wall))


@pages.get("/live", Needs.READ_ONLY)
def live(visit: Visit) -> Response:
    """What changes on that page, as server-sent events."""
    return stream(visit, WallNews(WallFilter.parse(visit.request.query_params), _Renderer(visit)))


@pages.get("/live/pictures", Needs.READ_ONLY)
def pictures(visit: Visit) -> Response:
    """The last pictures of some prints as one sheet."""
    wanted = [text for text in visit.query("prints").split(",") if text][:PAGE_SIZE]
    with visit.services.database.read() as session:
        own = open_ids(session, visit.account_id, wanted, visit.clock)
    if not wanted or not own.issuperset(wanted):
        raise NotFound(_("There is no such print."))
    return Response(picture_sheet(visit.services.recent, wanted), media_type="image/jpeg")


@pages.get("/prints/{context_id}/picture", Needs.READ_ONLY)
def picture(visit: Visit) -> Response:
    """The print's last picture."""
    return Response(_recent(visit).jpeg, media_type="image/jpeg")


@pages.get("/prints/{context_id}/heat", Needs.READ_ONLY)
def heat(visit: Visit) -> Response:
    """Where a failure is seen in it."""
    return Response(map_drawing(_recent(visit).evidence), media_type="image/svg+xml")


@pages.post("/prints/{context_id}/feedback", Needs.MEMBER, overview)
def feedback(visit: Visit) -> Response:
    """Say what is true of the print, so that the next pictures are judged better; or take that back."""
    kind = visit.form.get("kind", "")
    if kind not in TEACHERS:
        raise BadInput(_("The feedback is not one that we know."))
    details = _details(visit)
    context_id = own_print(visit)
    if kind == UNDO:
        _take_back(visit, context_id)
    else:
        _give(visit, context_id, kind, details)
    said = "untaught" if kind == UNDO else "taught"
    if visit.form.get("from") == "print":
        return visit.go(f"/prints/{context_id}", said)
    view = WallFilter.parse(dict(parse_qsl(visit.form.get("view", "")[:1000])))
    return visit.go("/", said, **view.this_page)


def _details(visit: Visit) -> FeedbackDetails:
    comment = " ".join(visit.form.get("comment", "").split()) or None
    if comment is not None and any(map(is_unsafe, comment)):
        raise BadInput(_("The comment may not contain control characters."))
    try:
        shares = visit.form.get("keep_pictures") != "no"
        return FeedbackDetails(visit.form.get("failure_type") or None, comment, shares)
    except LearningError as wrong:
        raise BadInput(f"{str(wrong).capitalize()}.") from wrong


def _give(visit: Visit, context_id: str, kind: str, details: FeedbackDetails) -> None:
    record = partial(
        visit.services.feedback.record,
        _lesson(visit, context_id, kind),
        account_id=visit.account_id,
        context_id=context_id,
        kind=kind,
        at=visit.clock,
        note=_note(visit, context_id, kind),
        details=details,
    )
    try:
        anyio.from_thread.run(record)
    except FeedbackLimitReached as limit:
        raise NotAllowed(str(limit)) from limit


def _take_back(visit: Visit, context_id: str) -> None:
    """Take back the feedback that the form names, or the newest."""
    wanted = visit.form.get("feedback", "")
    number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) <= 18 else None
    with visit.services.database.read() as session:
        last = newest_feedback(session, visit.account_id, context_id)
        kind = UNDO if number is None or last is None or last.id == number else UNDO_EARLIER
    anyio.from_thread.run(
        partial(
            visit.services.feedback.take_back,
            _lesson(visit, context_id, kind),
            account_id=visit.account_id,
            context_id=context_id,
            note=_note(visit, context_id, UNDO),
            feedback_id=number,
        )
    )


def _lesson(visit: Visit, context_id: str, kind: str) -> Any:
    try:
        context = visit.services.ids.read(context_id, visit.account_id, visit.clock)
    except ContextError as gone:
        raise NotFound(_("This print is over.")) from gone
    return partial(visit.services.contexts.apply_feedback, context, kind)


def _note(visit: Visit, context_id: str, kind: str) -> Any:
    return events.feedback_note(context_id, visit.account_id, visit.clock, kind, visit.me.email)


def stream(visit: Visit, news: News) -> Response:
    """What changes on a page of live prints, as server-sent events."""
    events = LiveStream(
        visit.desk.feeds,
        visit.account_id,
        visit.token or "",
        news,
        partial(_ended, visit),
        visit.services.clock.now,
        visit.language,
    ).events()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def own_print(visit: Visit) -> str:
    """The id of a live print, if it is the account's. Raises NotFound."""
    context_id = visit.path("context_id")
    with visit.services.database.read() as session:
        row = find_row(session, context_id)
        if row is None or row.account_id != visit.account_id:
            raise NotFound(_("There is no such print."))
    return context_id


def may_teach(visit: Visit) -> bool:
    """Whether the visitor may say what is true of a print."""
    return visit.me.role is not None and visit.me.role.reaches(Role.MEMBER)


class _Renderer:
    """The wall's parts for one visitor."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._may_teach = may_teach(visit)

    def values(self, wall: Wall) -> dict[str, Any]:
        """What the templates of the wall are given."""
        visit = self._visit
        return {
            "wall": wall,
            "now": visit.clock,
            "url": visit.reachable_url,
            "shows": SHOWS,
            "placeholders": False,
            "first_run": partial(is_own_machine, visit),
            **self._card_values(),
        }

    def page_values(self, wall: Wall) -> dict[str, Any]:
        """What the whole page is given: with the places of its pictures in their sheet."""
        recent = self._visit.services.recent
        held = [one.id for one in wall.prints if holds_pictures(recent, one.id)]
        return {**self.values(wall), "tiles": {id: place for place, id in enumerate(held)}}

    def card(self, one: LivePrint) -> str:
        return render_text("_card.html", {"print": one, "now": self._visit.clock, **self._card_values()})

    def frame(self, wall: Wall) -> str:
        return render_text("_wall.html", {**self.values(wall), "placeholders": True})

    def bar(self, wall: Wall) -> str:
        return render_text("_wall_bar.html", self.values(wall))

    def _card_values(self) -> dict[str, object]:
        recent = self._visit.services.recent
        return {
            "tiles": {},
            "may_teach": self._may_teach,
            "holds": lambda one: holds_pictures(recent, one.id),
        }


def _ended(visit: Visit) -> str:
    """Why an open page may no longer be updated; empty while it may."""
    found = signed_in(visit.token, visit.services, datetime.now(UTC))
    if found is None:
        return "signed-out"
    me = visit.me
    return "" if (found.account_id, found.role) == (me.account_id, me.role) else "elsewhere"


def _recent(visit: Visit) -> RecentPicture:
    held = visit.services.recent.get(own_print(visit))
    if held is None:
        raise NotFound(_("This picture is not held here any more."))
    return held
