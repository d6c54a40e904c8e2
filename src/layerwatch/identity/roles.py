"""Who may do what in an account."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity import invitation_repository, repository
from layerwatch.identity.errors import BadInput, NotAllowed, NotFound
from layerwatch.identity.models import Account, User


class Role(StrEnum):
    """A user's role in one account, from the least to the most."""

    READ_ONLY = "read-only"
    """Sees prints, keys (never their text), usage and invoices."""
    MEMBER = "member"
    """Also makes and disables keys."""
    OWNER = "owner"
    """Also members, payment, limits and alerts."""

    def reaches(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


def role_in(session: Session, user: User, account_id: int) -> Role | None:
    """The user's role in an account; an operator is owner everywhere."""
    membership = repository.membership(session, user.id, account_id)
    if user.operator:
        return Role.OWNER if repository.account_or_none(session, account_id) else None
    return None if membership is None else Role(membership.role)


def roles_of(session: Session, user: User) -> list[tuple[Account, Role]]:
    """The accounts that a user is a member of, oldest first, with their role in each."""
    return [(account, Role(role)) for account, role in repository.accounts_of(session, user.id)]


def members_of(session: Session, account_id: int) -> list[tuple[User, Role]]:
    """The users of an account, oldest first."""
    return [(user, Role(role)) for user, role in repository.members_of(session, account_id)]


def is_verified_member(session: Session, account_id: int, email: str) -> bool:
    """Whether a user with this verified address is a member of the account, or an operator."""
    user = repository.user_by_email(session, email)
    if user is None or user.verified_at is None:
        return False
    return role_in(session, user, account_id) is not None


def need_owner(session: Session, account_id: int, user_id: int) -> None:
    """Raise NotAllowed unless the user is an owner of the account now, in this transaction.

    The role that a page was opened with may have been taken by a change that committed since.
    """
    lock_account(session, account_id)
    user = repository.get_user(session, user_id)
    if role_in(session, user, account_id) is not Role.OWNER:
        raise NotAllowed(_("You are not an owner of this account any more."))


def lock_account(session: Session, account_id: int) -> None:
    """Let one transaction at a time change an account's members. Raises NotFound."""
    if not repository.lock_members(session, account_id):
        raise NotFound(_("No account %(account_id)s.", account_id=account_id))


def set_role(session: Session, account_id: int, user_id: int, role: Role | None) -> None:
    """Give a user a role, or take it (None). Invitations by somebody who is no owner any more end.

    Raises BadInput if no owner would be left, NotFound.
    """
    lock_account(session, account_id)
    membership = repository.membership(session, user_id, account_id)
    if membership is None and role is None:
        raise NotFound(_("There is no such member."))
    owners = [user.id for user, held in members_of(session, account_id) if held is Role.OWNER]
    if owners == [user_id] and role is not Role.OWNER:
        raise BadInput(_("An account needs an owner. Make somebody else an owner first."))
    if role is not Role.OWNER:
        invitation_repository.delete_by_inviter(session, user_id, account_id)
    if role is None:
        session.delete(membership)
    elif membership is None:
        repository.add_membership(session, user_id, account_id, role.value)
    else:
        membership.role = role.value
    session.flush()
