"""Recovery codes: each signs in once where a one-time code is asked for, when the phone is lost."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from layerwatch.identity.models import RecoveryCode, User

COUNT = 10
LENGTH = 10
"""Characters of a code, about 50 random bits: with the limits on guessing there is nothing to guess."""

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that are mistaken for others when copied from paper."""


def renew(session: Session, user: User, key: bytes) -> list[str]:
    """New codes, to be shown once; the user's earlier ones stop working. key: keys the stored hashes."""
    clear(session, user)
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(LENGTH)) for _ in range(COUNT)]
    session.add_all(RecoveryCode(digest=_digest(user, code, key), user_id=user.id) for code in codes)
    session.flush()
    return [f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}" for code in codes]


def is_recovery_code(text: str) -> bool:
    """Whether a text has a recovery code's form; a one-time code has six digits."""
    return len(_plain(text)) == LENGTH


def use(session: Session, user: User, text: str, key: bytes) -> bool:
    """Use a code up; False for one that is wrong or used."""
    used = session.execute(
        delete(RecoveryCode)
        .where(RecoveryCode.digest == _digest(user, _plain(text), key), RecoveryCode.user_id == user.id)
        .returning(RecoveryCode.user_id)
    )
    return used.first() is not None


def left(session: Session, user: User) -> int:
    """How many codes are still good."""
    count = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user.id)
    return session.scalar(count) or 0


def clear(session: Session, user: User) -> None:
    """Delete the user's codes."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def _plain(text: str) -> str:
    return text[:100].lower().replace("-", "").replace(" ", "")


def _digest(user: User, code: str, key: bytes) -> bytes:
    signed = f"recovery code {user.id} {code}".encode("utf-8", "replace")
    return hmac.digest(key, signed, hashlib.sha256)
