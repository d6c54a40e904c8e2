"""Links that work once: to verify an address, reset a password, or sign the operator in."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete
from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity import repository
from layerwatch.identity.errors import BadInput
from layerwatch.identity.models import OneTimeLink, User


class Purpose(StrEnum):
    """What a link is for."""

    VERIFY = "verify"
    RESET = "reset"
    SIGN_IN = "sign-in"


LIFETIMES = {
    Purpose.VERIFY: timedelta(days=3),
    Purpose.RESET: timedelta(hours=1),
    Purpose.SIGN_IN: timedelta(hours=12),
}


def new_link(session: Session, user: User, purpose: Purpose, now: datetime) -> str:
    """The secret part of a new link; an earlier one of the same purpose stops working."""
    session.execute(
        delete(OneTimeLink).where(OneTimeLink.user_id == user.id, OneTimeLink.purpose == purpose.value)
    )
    session.execute(delete(OneTimeLink).where(OneTimeLink.expires_at < now))
    token = secrets.token_urlsafe(32)
    session.add(
        OneTimeLink(
            digest=digest(token),
            user_id=user.id,
            purpose=purpose.value,
            expires_at=now + LIFETIMES[purpose],
        )
    )
    session.flush()
    return token


def clear(session: Session, user: User) -> None:
    """Delete the user's links."""
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))


def user_of(session: Session, token: str, purpose: Purpose, now: datetime) -> User:
    """Whose link it is, without using it up. Raises BadInput."""
    link = session.get(OneTimeLink, digest(token))
    if link is None or link.purpose != purpose.value or link.expires_at < now:
        raise BadInput(_("This link is used or expired. Ask for a new one."))
    return repository.get_user(session, link.user_id)


def use_link(session: Session, token: str, purpose: Purpose, now: datetime) -> User:
    """Use a link up. Raises BadInput for one that is unknown, used, too old, or for something else."""
    user = user_of(session, token, purpose, now)
    used = session.execute(
        delete(OneTimeLink).where(OneTimeLink.digest == digest(token)).returning(OneTimeLink.user_id)
    )
    if used.first() is None:
        raise BadInput(_("This link is used. Ask for a new one."))
    return user


def digest(token: str) -> bytes:
    """The stored form of a link's secret: it has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
