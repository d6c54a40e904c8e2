"""The audit log: who did what, when, from where. Entries are added and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.identity.models import AuditEntry, User

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user in a browser, or the operator on the command line (no user)."""

    user_id: int | None
    who: str
    address: str

    @classmethod
    def of(cls, user: User, address: str) -> Actor:
        """A signed-in user."""
        return cls(user.id, user.email, address)


ON_THE_COMMAND_LINE = Actor(None, COMMAND_LINE, "")


def record(
    session: Session, actor: Actor, action: str, detail: str, now: datetime, account_id: int | None = None
) -> None:
    """Add an entry, in the transaction of the action that it records. `detail` never holds a secret."""
    session.add(
        AuditEntry(
            at=now,
            account_id=account_id,
            user_id=actor.user_id,
            who=actor.who,
            address=actor.address[:45],
            action=action,
            detail=detail[:500],
        )
    )


def entries(session: Session, account_id: int | None, limit: int = 100) -> list[AuditEntry]:
    """The newest entries of an account; None: of the whole installation."""
    wanted = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if account_id is not None:
        wanted = wanted.where(AuditEntry.account_id == account_id)
    return list(session.scalars(wanted))
