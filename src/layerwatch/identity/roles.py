"""Who may do what in an account."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.identity.errors import BadInput, NotFound
from layerwatch.identity.models import Account, Membership, User


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
    membership = session.get(Membership, (user.id, account_id))
    if user.operator:
        return Role.OWNER if session.get(Account, account_id) else None
    return None if membership is None else Role(membership.role)


def accounts_of(session: Session, user: User) -> list[Account]:
    """The accounts that a user is a member of, oldest first."""
    return list(
        session.scalars(
            select(Account)
            .join(Membership, Membership.account_id == Account.id)
            .where(Membership.user_id == user.id)
            .order_by(Account.id)
        )
    )


def members_of(session: Session, account_id: int) -> list[tuple[User, Role]]:
    """The users of an account, oldest first."""
    rows = session.execute(
        select(User, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id)
        .order_by(User.id)
    )
    return [(user, Role(role)) for user, role in rows]


def set_role(session: Session, account_id: int, user_id: int, role: Role | None) -> None:
    """Give a user a role, or take it (None). Raises BadInput if no owner would be left, NotFound."""
    membership = session.get(Membership, (user_id, account_id))
    if membership is None and role is None:
        raise NotFound("There is no such member.")
    owners = [user.id for user, held in members_of(session, account_id) if held is Role.OWNER]
    if owners == [user_id] and role is not Role.OWNER:
        raise BadInput("An account needs an owner. Make somebody else one first.")
    if role is None:
        session.delete(membership)
    elif membership is None:
        session.add(Membership(user_id=user_id, account_id=account_id, role=role.value))
    else:
        membership.role = role.value
    session.flush()
