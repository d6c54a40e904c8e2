"""The people of an account: inviting, roles, removing. The list is on the page of the settings."""

from __future__ import annotations

from sqlalchemy.orm import Session
from starlette.responses import Response

from layerwatch.console.pages.account import show
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit, required
from layerwatch.core.languages import gettext as _
from layerwatch.identity import BadInput, invitations
from layerwatch.identity.repository import membership
from layerwatch.identity.roles import Role, need_owner, set_role

pages = Pages()


@pages.post("/members", Needs.OWNER, show)
def invite(visit: Visit) -> Response:
    """Invite somebody. Nothing changes until they accept."""
    visit.need_verified()
    email, role = required(visit, "email", _("The e-mail address")), _role(visit)
    with visit.services.database.write() as session:
        need_owner(session, visit.account_id, visit.me.user_id)
        mail = invitations.invite(
            session,
            visit.account_id,
            email,
            role,
            by=visit.me.user_id,
            base_url=visit.base_url,
            now=visit.now,
        )
        visit.note(session, "member invited", f"{mail.to} {role.value}")
    visit.send(mail)
    return visit.go("/settings", "invited")


@pages.post("/invitations/{invitation_id}/withdraw", Needs.OWNER, show)
def withdraw(visit: Visit) -> Response:
    """Withdraw an invitation; its link stops working."""
    with visit.services.database.write() as session:
        need_owner(session, visit.account_id, visit.me.user_id)
        email = invitations.withdraw(session, visit.account_id, visit.number("invitation_id"))
        visit.note(session, "invitation withdrawn", email)
    return visit.go("/settings", "withdrawn")


@pages.post("/members/{user_id}/role", Needs.OWNER, show)
def change_role(visit: Visit) -> Response:
    """Change a member's role."""
    role = _role(visit)
    with visit.services.database.write() as session:
        user_id = _member(visit, session)
        set_role(session, visit.account_id, user_id, role)
        visit.note(session, "member's role changed", f"{user_id} {role.value}")
    return visit.go("/settings", "member-changed")


@pages.post("/members/{user_id}/remove", Needs.OWNER, show)
def remove(visit: Visit) -> Response:
    """End somebody's membership."""
    with visit.services.database.write() as session:
        user_id = _member(visit, session)
        set_role(session, visit.account_id, user_id, None)
        visit.note(session, "member removed", str(user_id))
    return visit.go("/settings", "member-removed")


def _member(visit: Visit, session: Session) -> int:
    """The member that the path names, once it is certain that the visitor is an owner still."""
    need_owner(session, visit.account_id, visit.me.user_id)
    user_id = visit.number("user_id")
    if membership(session, user_id, visit.account_id) is None:
        raise BadInput(_("No such member."))
    return user_id


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.form.get("role", ""))
    except ValueError as wrong:
        raise BadInput(_("No such role."), field="role") from wrong
