"""The accounts that a user works in: switching, and accepting an invitation to another."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from layerwatch.console.pages.sign_in import welcome
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import BASE, Visit
from layerwatch.core.languages import gettext as _
from layerwatch.identity import NotFound, invitations, passwords, sessions, users
from layerwatch.identity.repository import get_account, get_user
from layerwatch.identity.roles import role_in, roles_of

pages = Pages()


@pages.get("/accounts", Needs.SIGNED_IN)
def accounts(visit: Visit) -> Response:
    """The accounts that the user is a member of."""
    with visit.services.database.read() as session:
        user = get_user(session, visit.me.user_id)
        rows = [(account.id, account.name, role) for account, role in roles_of(session, user)]
    return visit.page("accounts.html", accounts=rows)


@pages.post("/account", Needs.SIGNED_IN)
def switch(visit: Visit) -> Response:
    """Work in another account."""
    wanted = visit.form.get("account", "")
    account_id = int(wanted) if wanted.isdecimal() and len(wanted) < 19 else -1
    with visit.services.database.write() as session:
        user = get_user(session, visit.me.user_id)
        if role_in(session, user, account_id) is None:
            raise NotFound(_("No such account."))
        assert visit.token is not None
        sessions.switch_account(session, visit.token, account_id)
    return visit.go("/")


@pages.get("/invitation", Needs.NOTHING)
def invitation(visit: Visit) -> Response:
    """Show an invitation: to accept, to sign in, or to choose a password first."""
    link = visit.query("link") or visit.form.get("link", "")
    with visit.services.database.read() as session:
        found = invitations.find_invitation(session, link, visit.now)
        values: dict[str, Any] = {
            "account": get_account(session, found.account_id).name,
            "email": found.email,
            "role": found.role,
            "inviter": get_user(session, found.invited_by).email,
            "can_join": invitations.can_join(session, found),
        }
    return visit.page("invitation.html", link=link, **values)


@pages.post("/invitation", Needs.SIGNED_IN, invitation)
def accept(visit: Visit) -> Response:
    """Accept an invitation. The account that the user works in stays the same, if there is one."""
    link = visit.form.get("link", "")
    with visit.services.database.write() as session:
        account = invitations.accept(session, link, visit.me.user_id, visit.visitor, visit.now)
        if visit.me.account_id is None and visit.token is not None:
            sessions.switch_account(session, visit.token, account.id)
    return visit.go("/accounts", "accepted")


@pages.post("/invitation/join", Needs.NOTHING, invitation)
def join(visit: Visit) -> Response:
    """Choose a password as somebody new. The invitation is accepted on the next page."""
    link, password = visit.form.get("link", ""), visit.form.get("password", "")
    database = visit.services.database
    with database.read() as session:
        email = invitations.find_invitation(session, link, visit.now).email
    database.transact(users.guard_new_password, visit.visitor, visit.now)
    passwords.check_strength(password, email)
    hashed = passwords.hash_password(password)
    with database.write() as session:
        begun = invitations.join(session, link, hashed, visit.visitor, visit.now)
    return welcome(visit, begun, f"{BASE}/invitation?link={link}")
