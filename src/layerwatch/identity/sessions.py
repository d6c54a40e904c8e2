"""Browsers that are signed in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity import repository
from layerwatch.identity.errors import SignInRefused
from layerwatch.identity.models import User, WebSession
from layerwatch.identity.roles import roles_of

IDLE_TIMEOUT = timedelta(days=2)
MAX_LIFETIME = timedelta(days=30)
SECOND_FACTOR_TIMEOUT = timedelta(minutes=10)
"""Time between the password and the one-time code."""
LAST_SEEN_RESOLUTION = timedelta(minutes=5)
"""Resolution of a session's stored last-seen time."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that was just begun; `token` goes into the browser's cookie and nowhere else."""

    token: str
    complete: bool
    user_id: int


def begin(
    session: Session, user: User, now: datetime, *, address: str, agent: str, complete: bool
) -> NewSession:
    """Begin a session under a new token, whatever cookie the browser had: session fixation is impossible.

    Raises SignInRefused for a suspended user.
    """
    if user.suspended_at is not None:
        raise SignInRefused(_("This user is suspended. Write to the operator."))
    token = secrets.token_urlsafe(32)
    session.execute(
        delete(WebSession).where(WebSession.user_id == user.id, WebSession.created_at < now - MAX_LIFETIME)
    )
    session.add(
        WebSession(
            digest=_digest(token),
            user_id=user.id,
            account_id=_working_account(session, user),
            complete=complete,
            address=address[:45],
            agent=agent[:200],
            created_at=now,
            seen_at=now,
        )
    )
    session.flush()
    return NewSession(token, complete, user.id)


def find(session: Session, token: str | None, now: datetime) -> WebSession | None:
    """The live session behind a cookie, or None."""
    if not token or len(token) > 100:
        return None
    row = session.get(WebSession, _digest(token))
    if row is None or now - row.created_at > MAX_LIFETIME:
        return None
    if now - row.seen_at > (IDLE_TIMEOUT if row.complete else SECOND_FACTOR_TIMEOUT):
        return None
    return row


@dataclass(frozen=True, slots=True)
class Seen:
    """A session of a user as its owner sees it."""

    address: str
    agent: str
    seen_at: datetime
    this: bool


def of_user(session: Session, user: User, token: str | None, now: datetime) -> list[Seen]:
    """The user's live sessions, the latest seen first; `this` marks the one of the token."""
    rows = session.scalars(
        select(WebSession)
        .where(
            WebSession.user_id == user.id,
            WebSession.complete.is_(True),
            WebSession.seen_at > now - IDLE_TIMEOUT,
        )
        .order_by(WebSession.seen_at.desc())
    )
    mine = _digest(token or "")
    return [Seen(row.address, row.agent, row.seen_at, hmac.compare_digest(row.digest, mine)) for row in rows]


def touch(session: Session, token: str, now: datetime) -> None:
    """Store that the session was seen now."""
    row = session.get(WebSession, _digest(token))
    if row is not None:
        row.seen_at = now


def switch_account(session: Session, token: str, account_id: int) -> None:
    """Work in another account; a member does so after the next sign-in, too.

    The caller checks whether the user may. An operator who looks after a customer's account comes back to
    their own at the next sign-in.
    """
    row = session.get_one(WebSession, _digest(token))
    row.account_id = account_id
    if repository.membership(session, row.user_id, account_id) is not None:
        repository.get_user(session, row.user_id).working_account_id = account_id


def _working_account(session: Session, user: User) -> int | None:
    """The account that the user chose last, if they are a member still; else their oldest."""
    mine = [account.id for account, _ in roles_of(session, user)]
    return user.working_account_id if user.working_account_id in mine else next(iter(mine), None)


def end(session: Session, token: str) -> None:
    """End one session, here and on every node at once."""
    session.execute(delete(WebSession).where(WebSession.digest == _digest(token)))


def end_all(session: Session, user: User, keep: str | None = None) -> None:
    """End every session of a user but the one of the token `keep`: after a new password."""
    ended = delete(WebSession).where(WebSession.user_id == user.id)
    if keep is not None:
        ended = ended.where(WebSession.digest != _digest(keep))
    session.execute(ended)


def new_form_cookie() -> str:
    """A name for a browser that is not signed in, to which its forms are bound."""
    return secrets.token_urlsafe(24)


_NONCE = 16
"""Hexadecimal digits that make each form token another one."""


def form_token(cookie: str, key: bytes) -> str:
    """What a form must carry to be accepted from this browser; only the server can make it.

    Each one differs, so that no page's text betrays the next page's.
    """
    return _form_token(cookie, key, secrets.token_hex(_NONCE // 2))


def _form_token(cookie: str, key: bytes, nonce: str) -> str:
    return nonce + hmac.new(key, f"form {nonce} {cookie}".encode(), hashlib.sha256).hexdigest()


def is_form_token(given: str, cookie: str, key: bytes) -> bool:
    """Whether a form carries the right token, in constant time."""
    return hmac.compare_digest(given.encode(), _form_token(cookie, key, given[:_NONCE]).encode())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
