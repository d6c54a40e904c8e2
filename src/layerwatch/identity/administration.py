"""What operators do to users and accounts of others. Every action is an entry in the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.core.text import is_unsafe
from layerwatch.identity import invitation_repository, one_time_links, recovery_codes, repository, sessions
from layerwatch.identity.audit import Actor, record
from layerwatch.identity.errors import BadInput, NotFound
from layerwatch.identity.models import AccountNote, User
from layerwatch.identity.roles import Role, members_of, roles_of, set_role

MAX_NOTE_LENGTH = 1000
MAX_NOTES = 200
"""Notes kept on an account."""


def verify_address(session: Session, user_id: int, actor: Actor, now: datetime) -> User:
    """Count a user's address as shown to be theirs: the operator made sure of it. Raises NotFound."""
    user = _user(session, user_id)
    if user.verified_at is None:
        user.verified_at = now
        record(session, actor, "address verified", user.email, now)
    return user


def suspend(session: Session, user_id: int, actor: Actor, now: datetime) -> User:
    """End a user's sessions and refuse new ones until `resume`. Raises NotFound, BadInput."""
    user = _user(session, user_id)
    _check_other(user, actor)
    if user.suspended_at is None:
        user.suspended_at = now
        sessions.end_all(session, user)
        record(session, actor, "user suspended", user.email, now)
    return user


def resume(session: Session, user_id: int, actor: Actor, now: datetime) -> User:
    """Let a suspended user sign in again. Raises NotFound."""
    user = _user(session, user_id)
    if user.suspended_at is not None:
        user.suspended_at = None
        record(session, actor, "user resumed", user.email, now)
    return user


def delete_user(session: Session, user_id: int, actor: Actor, now: datetime) -> str:
    """Delete a user with their memberships, sessions, links and invitations; their address.

    What they did stays in the audit log. Raises NotFound; BadInput for an operator, for the one who acts, and
    while the user is the only owner of an account.
    """
    user = _user(session, user_id)
    _check_other(user, actor)
    for account, _role in roles_of(session, user):
        owners = [one.id for one, role in members_of(session, account.id) if role is Role.OWNER]
        if owners == [user.id]:
            raise BadInput(
                _(
                    "%(email)s is the only owner of %(name)s. Make somebody else an owner first.",
                    email=user.email,
                    name=account.name,
                )
            )
        set_role(session, account.id, user.id, None)
    sessions.end_all(session, user)
    one_time_links.clear(session, user)
    recovery_codes.clear(session, user)
    invitation_repository.delete_of_user(session, user.id, user.email)
    record(session, actor, "user deleted", user.email, now)
    session.delete(user)
    session.flush()
    return user.email


def add_note(session: Session, account_id: int, text: str, actor: Actor, now: datetime) -> AccountNote:
    """Keep an operator's note on an account; its people do not see it. Raises NotFound, BadInput."""
    if repository.account_or_none(session, account_id) is None:
        raise NotFound(_("There is no such account."))
    text = " ".join(text.split())
    if not 1 <= len(text) <= MAX_NOTE_LENGTH or any(map(is_unsafe, text)):
        raise BadInput(
            _("A note has 1 to %(most)s characters.", most=MAX_NOTE_LENGTH),
            field="text",
        )
    if len(notes_on(session, account_id)) >= MAX_NOTES:
        raise BadInput(
            _("An account has at most %(most)s notes. Delete one first.", most=MAX_NOTES),
            field="text",
        )
    note = AccountNote(account_id=account_id, at=now, who=actor.who, text=text)
    session.add(note)
    record(session, actor, "note added", text[:100], now)
    return note


def delete_note(session: Session, account_id: int, note_id: int, actor: Actor, now: datetime) -> None:
    """Delete a note. Raises NotFound."""
    note = session.get(AccountNote, note_id)
    if note is None or note.account_id != account_id:
        raise NotFound(_("There is no such note."))
    record(session, actor, "note deleted", note.text[:100], now)
    session.delete(note)


def notes_on(session: Session, account_id: int) -> list[AccountNote]:
    """The notes on an account, newest first."""
    wanted = select(AccountNote).where(AccountNote.account_id == account_id).order_by(AccountNote.id.desc())
    return list(session.scalars(wanted))


def _user(session: Session, user_id: int) -> User:
    user = repository.locked_user(session, user_id)
    if user is None:
        raise NotFound(_("No such user."))
    return user


def _check_other(user: User, actor: Actor) -> None:
    if user.operator or user.id == actor.user_id:
        raise BadInput(_("Operators, and oneself, can be neither suspended nor deleted here."))
