"""Limits on guessing: how often a password, a code or a link may be tried.

Counted in the database, so that they hold over all nodes and restarts.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from layerwatch.identity.errors import SignInRefused
from layerwatch.identity.models import Attempt

WINDOW = timedelta(minutes=15)
PER_USER = 10
"""Tries at one e-mail address, or of one half-open session, in a window."""
PER_ADDRESS = 60
"""Tries from one IP address in a window: a whole office may sit behind one."""

_COUNT = text(
    'INSERT INTO attempts (subject, "window", count) VALUES (:subject, :window, 1)'
    ' ON CONFLICT (subject, "window") DO UPDATE SET count = attempts.count + 1 RETURNING count'
)


def take(session: Session, subject: str, limit: int, now: datetime) -> None:
    """Count one try, and forget windows long past. Raises SignInRefused if it is one more than `limit`.

    In a transaction of its own, before what is tried: tries that run side by side wait for each other here,
    so that none slips past.
    """
    tried = session.execute(_COUNT, {"subject": _key(subject), "window": _window(now)}).scalar_one()
    if tried > limit:
        wait = WINDOW - (now - datetime.fromtimestamp(0, now.tzinfo)) % WINDOW
        minutes = max(1, -(-int(wait.total_seconds()) // 60))
        raise SignInRefused(
            f"Too many tries. Wait {minutes} min, then try again.", retry_after=int(wait.total_seconds()) + 1
        )
    session.execute(delete(Attempt).where(Attempt.window < _window(now) - 96))


def _window(now: datetime) -> int:
    return int(now.timestamp() // WINDOW.total_seconds())


def _key(subject: str) -> str:
    """Subjects are hashed: the table is no list of who tried to sign in, and any length fits."""
    return hashlib.sha256(subject.encode()).hexdigest()
