"""Limits on guessing passwords, codes and links, and on mails, counted in the database over all nodes.

Who guesses must not lock out whom they guess at. So tries at an account are counted by account and network
together, a browser that signed in to the account before has a count to itself (`devices`), and so has a
session that is signed in. A limit over all unknown networks stays, high above what a person needs, against
guessing from many addresses at once (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity.errors import RateLimited
from layerwatch.identity.models import Attempt

WINDOW = timedelta(minutes=15)
PER_USER = 10
"""Tries at one account in a window: from one unknown network, from one known browser, or in one session."""
PER_NETWORK = 60
"""Tries from one unknown network in a window, at any account: a whole office may share an address."""
PER_USER_ANYWHERE = 200
"""Tries at one account in a window from all unknown networks together. A password of the least strength that
`passwords` accepts, 10^8 guesses, lasts 14 years at this rate."""

_COUNT = text(
    'INSERT INTO attempts (subject, "window", count) VALUES (:subject, :window, 1)'
    ' ON CONFLICT (subject, "window") DO UPDATE SET count = attempts.count + 1 RETURNING count'
)


def take(
    session: Session,
    subject: str,
    limit: int,
    now: datetime,
    *,
    window: timedelta = WINDOW,
    what: str = "",
) -> None:
    """Count one try, and delete windows long past. Raises RateLimited above `limit` in a window.

    window: at most a day, a multiple of `WINDOW`. A guess is counted in its own transaction, before it
    is checked: concurrent tries wait for each other here, so that none slips past.
    """
    began = _number(now, window) * (window // WINDOW)
    tried = session.execute(_COUNT, {"subject": _key(subject, window), "window": began}).scalar_one()
    if tried > limit:
        wait = window - (now - datetime.fromtimestamp(0, now.tzinfo)) % window
        minutes = max(1, -(-int(wait.total_seconds()) // 60))
        raise RateLimited(
            _(
                "Too many %(what)s. Wait %(minutes)s min, then try again.",
                what=what or _("tries"),
                minutes=minutes,
            ),
            retry_after=int(wait.total_seconds()) + 1,
        )
    oldest = _number(now, WINDOW) - timedelta(days=1) // WINDOW
    session.execute(delete(Attempt).where(Attempt.window < oldest))


def _number(now: datetime, window: timedelta) -> int:
    return int(now.timestamp() // window.total_seconds())


def network(address: str) -> str:
    """What of an IP address is counted: IPv4 whole, IPv6 its /64, which one customer has to themselves."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _key(subject: str, window: timedelta) -> str:
    """Subjects are hashed: the table does not list who tried to sign in, and any length fits."""
    counted = subject if window == WINDOW else f"{subject} in {window}"
    return hashlib.sha256(counted.encode()).hexdigest()
