"""Acting on a print: paused, resumed and cancelled through its watcher, and judged at other levels."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session
from starlette.responses import Response

from layerwatch.acting import ActionRefused
from layerwatch.acting.actions import KINDS, LIFETIME, ask
from layerwatch.console.live_prints import LivePrint, holds_pictures, live_prints
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.contexts import ContextError
from layerwatch.contexts.context_id import Context
from layerwatch.contexts.repository import set_levels
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked
from layerwatch.identity import BadInput, NotFound
from layerwatch.prints import events
from layerwatch.temporal import Levels

pages = Pages()

EXPLAINED = {
    "pause": marked("The printer stops where it is, and can go on later."),
    "resume": marked("The printer goes on. What its cameras see now does not pause it again."),
    "cancel": marked("The printer ends the print for good."),
}


@pages.get("/prints/{context_id}/act", Needs.MEMBER)
def confirm(visit: Visit) -> Response:
    """Ask whether it is meant: the printer does it at once."""
    kind = visit.form.get("kind") or visit.query("do")
    one = _own_print(visit)
    if kind not in KINDS:
        raise NotFound(_("There is no such action."))
    return visit.page(
        "act.html",
        print=one,
        kind=kind,
        explained=EXPLAINED[kind],
        seconds=LIFETIME.seconds,
        holds=holds_pictures(visit.services.recent, one.id),
    )


@pages.post("/prints/{context_id}/act", Needs.MEMBER, confirm)
def act(visit: Visit) -> Response:
    """Ask the print's watcher for it."""
    one, kind = _own_print(visit), visit.form.get("kind", "")
    if kind not in KINDS:
        raise BadInput(_("There is no such action."))
    with visit.services.database.write() as session:
        try:
            ask(session, visit.account_id, one.id, kind, visit.me.email, datetime.now(UTC))
        except ActionRefused as refused:
            raise BadInput(str(refused)) from refused
        visit.note(session, f"print {kind} asked", one.id[:12])
        _add_to_story(session, visit, one, kind, "asked")
    return visit.go("/", "asked")


@pages.get("/prints/{context_id}/levels", Needs.MEMBER)
def levels(visit: Visit) -> Response:
    """How sure to be before this print is warned of, and paused."""
    one = _own_print(visit)
    now = one.levels or _context(visit, one).levels
    return visit.page("levels.html", print=one, warning=now.warning, pause=now.pause)


@pages.post("/prints/{context_id}/levels", Needs.MEMBER, levels)
def set_print_levels(visit: Visit) -> Response:
    """Judge the print at other levels from its next picture on."""
    one = _own_print(visit)
    try:
        wanted = Levels(*(int(visit.form.get(name, "")) for name in ("warning", "pause")))
    except ValueError as error:
        raise BadInput(_("The levels are numbers from 1 to 5.")) from error
    with visit.services.database.write() as session:
        if not set_levels(session, _context(visit, one), wanted):
            raise NotFound(_("There is no such print."))
        words = f"warning {wanted.warning}, pause {wanted.pause}"
        visit.note(session, "levels set", f"{one.id[:12]}: {words}")
        _add_to_story(session, visit, one, "levels", words)
    return visit.go("/", "levels-set")


def _add_to_story(session: Session, visit: Visit, one: LivePrint, kind: str, detail: str) -> None:
    """Add to what the print's page says of who did what."""
    events.record(
        session,
        context_id=one.id,
        account_id=visit.account_id,
        at=visit.clock,
        kind=kind,
        who=visit.me.email,
        detail=detail,
    )


def _context(visit: Visit, one: LivePrint) -> Context:
    try:
        return visit.services.ids.read(one.id, visit.account_id, visit.clock)
    except ContextError as gone:
        raise NotFound(_("This print is over.")) from gone


def _own_print(visit: Visit) -> LivePrint:
    """The live print of the account that the path names. Raises NotFound."""
    context_id = visit.path("context_id")
    with visit.services.database.read() as session:
        prints = live_prints(session, visit.account_id, visit.clock)
    found = next((one for one in prints if one.id == context_id), None)
    if found is None:
        raise NotFound(_("There is no such print."))
    return found
