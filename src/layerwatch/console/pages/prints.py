"""The overview: every print that is being watched, live."""

from __future__ import annotations

from functools import partial

import anyio.from_thread
from sqlalchemy.orm import Session
from starlette.responses import Response

from layerwatch.console.live_prints import heat_picture, live_prints
from layerwatch.console.web import Needs, Pages, Visit
from layerwatch.contexts import ContextError
from layerwatch.contexts.models import ContextRow
from layerwatch.identity import BadInput, NotFound, sessions
from layerwatch.identity.models import User
from layerwatch.identity.roles import accounts_of, role_in
from layerwatch.learning.recent import RecentPicture
from layerwatch.learning.service import record as record_feedback
from layerwatch.learning.service import withdraw
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
    keep = partial(
        record_feedback,
        examples=visit.services.examples,
        account_id=visit.account_id,
        context_id=context_id,
        kind=kind,
        at=visit.clock,
        recent=visit.services.recent.get(context_id),
    )

    def also(session: Session) -> None:
        if kind == UNDO:
            withdraw(session, account_id=visit.account_id, context_id=context_id)
        else:
            keep(session)

    anyio.from_thread.run(visit.services.contexts.apply_feedback, context, kind, also)
    return visit.go("/", "taught")


@pages.post("/account", Needs.SIGNED_IN)
def look_at(visit: Visit) -> Response:
    """Look at another of the user's accounts."""
    wanted = visit.form.get("account", "")
    account_id = int(wanted) if wanted.isdecimal() and len(wanted) < 19 else -1
    with visit.services.database.begin() as session:
        user = session.get_one(User, visit.me.user_id)
        if role_in(session, user, account_id) is None:
            raise NotFound("There is no such account.")
        assert visit.token is not None
        sessions.look_at(session, visit.token, account_id)
    return visit.go("/")


@pages.get("/accounts", Needs.SIGNED_IN)
def accounts(visit: Visit) -> Response:
    """The accounts that the user may look at."""
    with visit.services.database.read() as session:
        mine = accounts_of(session, session.get_one(User, visit.me.user_id))
        rows = [(account.id, account.name) for account in mine]
    return visit.page("accounts.html", accounts=rows)


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
