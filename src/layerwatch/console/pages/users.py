"""What only the operator sees of the installation's users, and the way back in for who lost their phone."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.identity import administration, users

pages = Pages()

MAX_SHOWN = 200


@pages.get("/operator/users", Needs.OPERATOR)
def show(visit: Visit) -> Response:
    """The users whose address contains the searched text."""
    searched = visit.query("email").strip()[:254]
    with visit.services.database.read() as session:
        rows = [
            {
                "id": user.id,
                "email": user.email,
                "verified": user.verified_at is not None,
                "codes_on": user.totp_since is not None,
                "suspended": user.suspended_at is not None,
                "operator": user.operator,
                "created_at": user.created_at,
            }
            for user in users.list_users(session, searched, MAX_SHOWN)
        ]
    return visit.page("users.html", users=rows, searched=searched, most=MAX_SHOWN)


@pages.post("/operator/users/{user_id}/codes-off", Needs.OPERATOR, show)
def reset_codes(visit: Visit) -> Response:
    """Switch a user's one-time codes off, and tell them by mail."""
    with visit.services.database.write() as session:
        mail = users.reset_codes(session, visit.number("user_id"), visit.actor, visit.now)
    visit.send(mail)
    return visit.go("/operator/users", "codes-reset")


@pages.post("/operator/users/{user_id}/verify", Needs.OPERATOR, show)
def verify(visit: Visit) -> Response:
    """Count a user's address as theirs."""
    with visit.services.database.write() as session:
        administration.verify_address(session, visit.number("user_id"), visit.actor, visit.now)
    return visit.go("/operator/users", "saved")


@pages.post("/operator/users/{user_id}/suspend", Needs.OPERATOR, show)
def suspend(visit: Visit) -> Response:
    """Sign a user out everywhere and keep them out, or let them in again."""
    work = administration.suspend if visit.form.get("suspended") == "on" else administration.resume
    with visit.services.database.write() as session:
        work(session, visit.number("user_id"), visit.actor, visit.now)
    return visit.go("/operator/users", "saved")


@pages.post("/operator/users/{user_id}/delete", Needs.OPERATOR, show)
def delete(visit: Visit) -> Response:
    """Delete a user."""
    with visit.services.database.write() as session:
        administration.delete_user(session, visit.number("user_id"), visit.actor, visit.now)
    return visit.go("/operator/users", "user-deleted")
