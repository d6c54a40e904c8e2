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


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted. account_id: None for all.  who: a part of the address.  action: all of it.

    since, until: from and before which time.  before: an entry's number, for the next page.
    """

    account_id: int | None = None
    who: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


def filtered(session: Session, wanted: Filter, limit: int) -> list[AuditEntry]:
    """The newest entries that a filter lets through."""
    found = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if wanted.account_id is not None:
        found = found.where(AuditEntry.account_id == wanted.account_id)
    if wanted.who:
        found = found.where(AuditEntry.who.icontains(wanted.who, autoescape=True))
    if wanted.action:
        found = found.where(AuditEntry.action == wanted.action)
    if wanted.since is not None:
        found = found.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        found = found.where(AuditEntry.at < wanted.until)
    if wanted.before is not None:
        found = found.where(AuditEntry.id < wanted.before)
    return list(session.scalars(found))


def actions(session: Session, account_id: int | None) -> list[str]:
    """The kinds of actions among the newest 10,000 entries, for a choice of them."""
    newest = select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(10_000)
    if account_id is not None:
        newest = newest.where(AuditEntry.account_id == account_id)
    return sorted(set(session.scalars(newest)))


def entries(session: Session, account_id: int | None, limit: int = 100) -> list[AuditEntry]:
    """The newest entries of an account; None: of the whole installation."""
    wanted = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if account_id is not None:
        wanted = wanted.where(AuditEntry.account_id == account_id)
    return list(session.scalars(wanted))
