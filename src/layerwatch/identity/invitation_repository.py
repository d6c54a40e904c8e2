"""Invitations in the database: every statement on their table is here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from layerwatch.identity.models import Invitation


def add(
    session: Session,
    *,
    digest: bytes,
    account_id: int,
    email: str,
    role: str,
    invited_by: int,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Add an invitation. digest: of the secret in its link."""
    session.add(
        Invitation(
            digest=digest,
            account_id=account_id,
            email=email,
            role=role,
            invited_by=invited_by,
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()


def by_digest(session: Session, digest: bytes) -> Invitation | None:
    """The invitation whose link has a secret with this hash."""
    return session.scalars(select(Invitation).where(Invitation.digest == digest)).one_or_none()


def pending(session: Session, account_id: int, now: datetime) -> Sequence[Invitation]:
    """Invitations of an account that can still be accepted, oldest first."""
    wanted = select(Invitation).where(Invitation.account_id == account_id, Invitation.expires_at >= now)
    return session.scalars(wanted.order_by(Invitation.id)).all()


def number_of(session: Session, account_id: int) -> int:
    """How many invitations an account has."""
    count = select(func.count()).select_from(Invitation).where(Invitation.account_id == account_id)
    return session.scalar(count) or 0


def is_pending(session: Session, email: str, now: datetime) -> bool:
    """Whether an invitation to this address can still be accepted."""
    open_ones = select(Invitation.id).where(Invitation.email == email, Invitation.expires_at >= now)
    return session.scalar(open_ones.limit(1)) is not None


def delete_replaced(session: Session, account_id: int, email: str, now: datetime) -> None:
    """Delete an account's earlier invitation of this address, and those that expired."""
    replaced = or_(Invitation.email == email, Invitation.expires_at < now)
    session.execute(delete(Invitation).where(Invitation.account_id == account_id, replaced))


def delete_one(session: Session, invitation_id: int, account_id: int) -> tuple[str, str] | None:
    """Delete an invitation of an account; its address and role. None if it is not there any more."""
    deleted = session.execute(
        delete(Invitation)
        .where(Invitation.id == invitation_id, Invitation.account_id == account_id)
        .returning(Invitation.email, Invitation.role)
    ).one_or_none()
    return None if deleted is None else (deleted.email, deleted.role)


def delete_by_inviter(session: Session, user_id: int, account_id: int) -> None:
    """Delete what a user offered in an account."""
    by_them = (Invitation.account_id == account_id, Invitation.invited_by == user_id)
    session.execute(delete(Invitation).where(*by_them))


def delete_of_user(session: Session, user_id: int, email: str) -> None:
    """Delete what a user offered anywhere, and what was offered to their address."""
    theirs = or_(Invitation.invited_by == user_id, Invitation.email == email)
    session.execute(delete(Invitation).where(theirs))
