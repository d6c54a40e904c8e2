"""One print: what is seen, how it went, what was believed and why, and who did what."""

from __future__ import annotations

from functools import cache
from typing import Any

from starlette.responses import Response

from layerwatch.console.course_chart import course_chart
from layerwatch.console.error_pages import error_page
from layerwatch.console.live_prints import (
    CONDITIONS,
    QUALITY_WORDS,
    LivePrint,
    holds_pictures,
    map_drawing,
)
from layerwatch.console.pages.prints import may_teach, stream
from layerwatch.console.print_story import story
from layerwatch.console.print_view import PrintView, view_print
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.render import render_text
from layerwatch.console.visit import Visit
from layerwatch.core.languages import gettext as _
from layerwatch.identity import BadInput, NotFound
from layerwatch.identity.repository import shares_pictures
from layerwatch.prints import time_lapse
from layerwatch.prints.kept_pictures import read_copy
from layerwatch.prints.moments import Moment
from layerwatch.prints.picture_repository import picture_owner
from layerwatch.prints.repository import find_print
from layerwatch.prints.retention import delete_whole_prints
from layerwatch.storage import ObjectMissing
from layerwatch.vision.evidence import KINDS
from layerwatch_watcher.cameras.base import CameraSetupError
from layerwatch_watcher.cameras.ffmpeg import find_ffmpeg

pages = Pages()


@pages.get("/prints/{context_id}", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """One print. `at` chooses the second to look at."""
    view, moment = _view(visit)
    return visit.page("print.html", **_values(visit, view, moment))


@pages.get("/prints/{context_id}/moment", Needs.READ_ONLY)
def moment(visit: Visit) -> Response:
    """The part of that page which shows one moment, for its script."""
    view, chosen = _view(visit)
    return visit.page("_moment.html", **_values(visit, view, chosen))


@pages.get("/prints/{context_id}/live", Needs.READ_ONLY)
def live(visit: Visit) -> Response:
    """What changes on that page, as server-sent events."""
    _view(visit)
    return stream(visit, PrintNews(visit))


@pages.get("/prints/{context_id}/pictures/{second}", Needs.READ_ONLY)
def kept_picture(visit: Visit) -> Response:
    """A picture that is kept."""
    return _kept(visit, lambda copy: Response(copy.jpeg, media_type="image/jpeg"))


@pages.get("/prints/{context_id}/pictures/{second}/heat", Needs.READ_ONLY)
def kept_heat(visit: Visit) -> Response:
    """Where a failure was seen in it."""
    return _kept(visit, lambda copy: Response(map_drawing(copy.evidence), media_type="image/svg+xml"))


@pages.get("/prints/{context_id}/time-lapse", Needs.READ_ONLY)
def film(visit: Visit) -> Response:
    """The kept pictures as a film; `form` is webp or mp4."""
    view = _view(visit)[0]
    wanted, ffmpeg = time_lapse.shots(view.kept, view.course), _ffmpeg()
    as_mp4 = visit.query("form") == "mp4" and ffmpeg is not None
    given = (visit.services.objects, visit.account_id, view.id, wanted)
    try:
        made = time_lapse.mp4(ffmpeg, *given) if as_mp4 and ffmpeg else time_lapse.webp(*given)
    except time_lapse.TimeLapseError as error:
        return error_page(503 if view.kept else 404, str(error), visit)
    name = f"print-{view.opened_at:%Y%m%d-%H%M}.{'mp4' if as_mp4 else 'webp'}"
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(made, media_type="video/mp4" if as_mp4 else "image/webp", headers=headers)


@pages.post("/prints/{context_id}/delete", Needs.MEMBER, show)
def delete(visit: Visit) -> Response:
    """Delete a print that has ended, with everything that belongs to it."""
    view = _view(visit)[0]
    if view.live is not None:
        raise BadInput(_("The print is still being watched. It can be deleted once it has ended."))
    delete_whole_prints(visit.services.database, visit.services.objects, [view.id])
    with visit.services.database.write() as session:
        visit.note(session, "print deleted", view.labels.title)
    return visit.go("/prints", "print-deleted")


class PrintNews:
    """What changed on the page: `live` (whether it is being watched), `failing`, and the HTML of `status`,
    `story`, `moment` (the newest) and, once there is one, `course`; `last` is its last second."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._id = visit.path("context_id")
        self._shown: object = None

    def of(self, prints: tuple[LivePrint, ...]) -> dict[str, Any] | None:
        one = next((one for one in prints if one.id == self._id), None)
        with self._visit.services.database.read() as session:
            row = find_print(session, self._id)
            state = (one.key if one else "", row.pictures if row else 0)
            if state == self._shown:
                return None
            try:
                view = view_print(session, self._visit.account_id, self._id, self._visit.clock)
            except NotFound:
                return None
        self._shown = state
        values = _values(self._visit, view, view.at(None))
        parts: dict[str, Any] = {"last": view.course[-1].second} if view.course else {}
        templates = {"status": "print_status", "story": "story", "moment": "moment"}
        if view.course:
            templates["course"] = "course"
        parts |= {
            name: render_text(f"_{template}.html", values | {"visit": self._visit})
            for name, template in templates.items()
        }
        return {
            "live": view.live is not None,
            "failing": view.live is not None and view.live.tone == "bad",
            **parts,
        }


def _view(visit: Visit) -> tuple[PrintView, Moment | None]:
    text = visit.query("at")
    at = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    with visit.services.database.read() as session:
        view = view_print(session, visit.account_id, visit.path("context_id"), visit.clock)
    return view, view.at(at)


def _values(visit: Visit, view: PrintView, chosen: Moment | None) -> dict[str, Any]:
    """What the templates of the page are given."""
    newest = chosen is None or chosen is view.course[-1]
    held = view.live is not None and newest and holds_pictures(visit.services.recent, view.id)
    said = [((one.at - view.opened_at).total_seconds(), _(one.words)) for one in view.feedback]
    return {
        "view": view,
        "moment": chosen,
        "newest": newest,
        "neighbours": view.neighbours(chosen) if chosen is not None else (None, None),
        "picture": _picture(view, chosen, held),
        "chart": course_chart(view.course, said, None if newest else chosen) if view.course else None,
        "lines": story(view),
        "quality_words": QUALITY_WORDS,
        "conditions": CONDITIONS,
        "may_teach": may_teach(visit),
        "failure_types": KINDS,
        "shares_pictures": view.live is not None and _shares(visit),
        "has_ffmpeg": _ffmpeg() is not None,
        "now": visit.clock,
    }


def _shares(visit: Visit) -> bool:
    with visit.services.database.read() as session:
        return shares_pictures(session, visit.account_id)


@cache
def _ffmpeg() -> str | None:
    """The program ffmpeg, where there is one."""
    try:
        return find_ffmpeg()
    except CameraSetupError:
        return None


def _picture(view: PrintView, chosen: Moment | None, held: bool) -> tuple[str, str] | None:
    """Addresses of the moment's picture and of its map; None if neither is there."""
    base = f"/console/prints/{view.id}"
    if held and view.live is not None:
        mark = f"?n={view.live.inspections}"
        return f"{base}/picture{mark}", f"{base}/heat{mark}"
    second = None if chosen is None else view.picture_near(chosen)
    return None if second is None else (f"{base}/pictures/{second}", f"{base}/pictures/{second}/heat")


def _kept(visit: Visit, answer: Any) -> Response:
    context_id, second = visit.path("context_id"), visit.number("second")
    with visit.services.database.read() as session:
        if picture_owner(session, context_id, second) != visit.account_id:
            raise NotFound(_("This picture is not kept."))
    try:
        copy = read_copy(visit.services.objects, visit.account_id, context_id, second)
    except ObjectMissing as gone:
        raise NotFound(_("This picture is not on this node.")) from gone
    response: Response = answer(copy)
    response.headers["Cache-Control"] = "private, max-age=3600, immutable"
    return response
