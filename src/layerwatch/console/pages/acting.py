"""Pausing, resuming and cancelling a print through its watcher, after a question."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from layerwatch.acting import ActionRefused
from layerwatch.acting.actions import KINDS, LIFETIME, ask
from layerwatch.console.live_prints import LivePrint, holds_pictures, live_prints
from layerwatch.console.web import Needs, Pages, Visit
from layerwatch.identity import BadInput, NotFound

pages = Pages()

EXPLAINED = {
    "pause": "The printer stops where it is, and can go on later.",
    "resume": "The printer goes on. What its cameras see now does not pause it again.",
    "cancel": "The printer ends the print for good.",
}


@pages.get("/prints/{context_id}/act", Needs.MEMBER)
def confirm(visit: Visit) -> Response:
    """Ask whether it is meant: the printer does it at once."""
    kind = visit.form.get("kind") or visit.query("do")
    one = _own_print(visit)
    if kind not in KINDS:
        raise NotFound("There is no such action.")
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
        raise BadInput("There is no such action.")
    with visit.services.database.write() as session:
        try:
            ask(session, visit.account_id, one.id, kind, visit.me.email, datetime.now(UTC))
        except ActionRefused as refused:
            raise BadInput(str(refused)) from refused
        visit.note(session, f"print {kind} asked", one.id[:12])
    return visit.go("/", "asked")


def _own_print(visit: Visit) -> LivePrint:
    """The live print of the account that the path names. Raises NotFound."""
    context_id = visit.path("context_id")
    with visit.services.database.read() as session:
        prints = live_prints(session, visit.account_id, visit.clock)
    found = next((one for one in prints if one.id == context_id), None)
    if found is None:
        raise NotFound("There is no such print.")
    return found
