"""Work that one of several nodes does once, outside of a transaction: a mail, a webhook, a charge.

A node claims it for `LEASE`, does it, and records that it is done; claim and record are rows, so every node
sees them. A node that dies in between leaves a claim that runs out, and the work is done again: at least
once, and twice only after a crash between the work and its record.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import String, delete, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from layerwatch.core.clock import Clock
from layerwatch.storage.base import Base, as_number
from layerwatch.storage.database import Database
from layerwatch.storage.errors import StorageError

LEASE = timedelta(minutes=10)
"""How long a claim is valid: longer than any claimed work (an SMTP server may take minutes)."""

FIRST_RETRY_DELAY = timedelta(minutes=1)
"""From a failure until the next attempt; doubled with every further failure."""

MAX_RETRY_DELAY = timedelta(hours=1)

ABANDONED_AFTER = timedelta(days=7)
"""A claim that expired this long ago belongs to work that is no longer due."""


class ClaimRow(Base):
    """A claim: work that is being done, or that failed and waits for its next attempt."""

    __tablename__ = "claims"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32))
    """A random mark of the attempt that holds it."""
    until: Mapped[datetime]
    """From then on anybody may claim it."""
    failures: Mapped[int]
    """Failed attempts so far."""


_TAKE = text(
    "INSERT INTO claims (name, holder, until, failures) VALUES (:name, :holder, :until, 0)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE claims.until <= :now OR claims.until > :latest"
)


class Claims:
    """Does claimed work. clock: real time, whatever the speed of the server's clock: processes die in it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def run(
        self,
        name: str,
        *,
        due: Callable[[Session], bool],
        work: Callable[[], None],
        done: Callable[[Session], None],
    ) -> bool:
        """Do a piece of work if it is due and not claimed; returns whether it was done.

        name: unique to the work, at most 120 characters. due: whether it still has to be done, read under the
        claim. done: records that it was, in the transaction that gives the claim up.
        Raises what `work` raises, after which it waits for its next attempt; and StorageError.
        """
        holder = secrets.token_hex(16)
        if not self._database.transact(self._take, name, holder, due):
            return False
        try:
            work()
        except BaseException:
            with suppress(StorageError):  # the lease runs out by itself
                self._database.transact(self._postpone, name, holder)
            raise
        self._database.transact(_finish, name, holder, done)
        return True

    def forget_abandoned(self) -> int:
        """Delete claims of work that nobody attempts any more; how many."""
        before = self._clock.now() - ABANDONED_AFTER

        def forget(session: Session) -> int:
            return cast(Any, session.execute(delete(ClaimRow).where(ClaimRow.until < before))).rowcount  # type: ignore[no-any-return]

        return self._database.transact(forget)

    def _take(self, session: Session, name: str, holder: str, due: Callable[[Session], bool]) -> bool:
        now = self._clock.now()
        given = {
            "name": name,
            "holder": holder,
            "until": as_number(now + LEASE),
            "now": as_number(now),
            # Later than any claim ends: made by a clock that was ahead and was set back.
            "latest": as_number(now + 2 * MAX_RETRY_DELAY),
        }
        if cast(Any, session.execute(_TAKE, given)).rowcount == 0:
            return False
        # Only now: the previous holder has committed what `due` reads.
        if due(session):
            return True
        _give_up(session, name, holder)
        return False

    def _postpone(self, session: Session, name: str, holder: str) -> None:
        failures = session.scalar(
            select(ClaimRow.failures).where(ClaimRow.name == name, ClaimRow.holder == holder)
        )
        if failures is None:  # the lease ran out, and somebody else has it
            return
        wait = min(MAX_RETRY_DELAY, FIRST_RETRY_DELAY * 2 ** min(failures, 10))
        session.execute(
            update(ClaimRow)
            .where(ClaimRow.name == name, ClaimRow.holder == holder)
            .values(until=self._clock.now() + wait, failures=failures + 1)
        )


def _finish(session: Session, name: str, holder: str, done: Callable[[Session], None]) -> None:
    done(session)
    _give_up(session, name, holder)


def _give_up(session: Session, name: str, holder: str) -> None:
    session.execute(delete(ClaimRow).where(ClaimRow.name == name, ClaimRow.holder == holder))
