"""The overview: every print that is being watched, live."""

from __future__ import annotations

from functools import partial

import anyio.from_thread
from starlette.responses import Response

from layerwatch.console.live_prints import heat_picture, live_prints
from layerwatch.console.web import Needs, Pages, Visit
from layerwatch.contexts import ContextError
from layerwatch.contexts.models import ContextRow
from layerwatch.identity import BadInput, NotAllowed, NotFound
from layerwatch.learning import FeedbackLimitReached
from layerwatch.learning.recent import RecentPicture
from layerwatch.temporal import TEACHERS, UNDO

pages = Pages()


@pages.get("/", Needs.READ_ONLY)
def overview(visit: Visit) -> Response:
    """Live prints of the account."""
    with visit.services.database.read() as session:
        prints = live_prints(session, visit.services.recent, visit.account_id, visit.clock)
    return visit.page("prints.html", prints=prints, now=visit.clock)


@pages.get("/live", Needs.READ_ONLY)
def live(visit: Visit) -> Response:
    """The same as a fragment, which the open page asks for every few seconds."""
    with visit.services.database.read() as session:
        prints = live_prints(session, visit.services.recent, visit.account_id, visit.clock)
    return visit.page("_prints.html", prints=prints, now=visit.clock)


@pages.get("/prints/{context_id}/picture", Needs.READ_ONLY)
def picture(visit: Visit) -> Response:
    """The print's last picture."""
    return Response(_recent(visit).jpeg, media_type="image/jpeg")


@pages.get("/prints/{context_id}/heat", Needs.READ_ONLY)
def heat(visit: Visit) -> Response:
    """Where a failure is seen in it."""
    return Response(heat_picture(_recent(visit).evidence.heat), media_type="image/png")


@pages.post("/prints/{context_id}/feedback", Needs.MEMBER)
def feedback(visit: Visit) -> Response:
    """Say what is true of the print, so that the next pictures are judged better."""
    kind = visit.form.get("kind", "")
    if kind not in TEACHERS:
        raise BadInput("The feedback is not one that we know.")
    context_id = _own(visit)
    try:
        context = visit.services.ids.read(context_id, visit.account_id, visit.clock)
    except ContextError as gone:
        raise NotFound("This print is over.") from gone
    record = partial(
        visit.services.feedback.record,
        partial(visit.services.contexts.apply_feedback, context, kind),
        account_id=visit.account_id,
        context_id=context_id,
        kind=kind,
        at=visit.clock,
    )
    try:
        anyio.from_thread.run(record)
    except FeedbackLimitReached as limit:
        raise NotAllowed(str(limit)) from limit
    return visit.go("/", "undone" if kind == UNDO else "taught")


def _own(visit: Visit) -> str:
    """The print's id, if it is the account's. Raises NotFound."""
    context_id = visit.path("context_id")
    with visit.services.database.read() as session:
        row = session.get(ContextRow, context_id)
        if row is None or row.account_id != visit.account_id:
            raise NotFound("There is no such print.")
    return context_id


def _recent(visit: Visit) -> RecentPicture:
    held = visit.services.recent.get(_own(visit))
    if held is None:
        raise NotFound("This picture is not held here any more.")
    return held
