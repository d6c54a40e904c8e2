"""One-time codes from an authenticator app (RFC 6238: SHA-1, 6 digits, 30 s).

The shared secret is derived from the installation's secret and a number in the user's row: a copy of the
database alone is not enough to compute codes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

import pyotp
from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity import recovery_codes
from layerwatch.identity.errors import BadInput, SignInRefused
from layerwatch.identity.models import User

STEP_S = 30
ALLOWED_DRIFT_STEPS = 1
"""Steps that the phone's clock may be wrong, either way."""


def prepare(session: Session, user: User) -> None:
    """Make a secret for the user's app; codes are asked for only after one was confirmed. Raises BadInput."""
    if user.totp_since is not None:
        raise BadInput(_("One-time codes are on already."))
    user.totp_nonce = secrets.token_bytes(16)
    session.flush()


def confirm(session: Session, user: User, code: str, key: bytes, now: datetime) -> list[str]:
    """Switch codes on after the app has shown a right one. Returns the recovery codes, to be shown once.

    Raises BadInput.
    """
    if user.totp_since is not None:
        raise BadInput(_("One-time codes are on already."))
    if user.totp_nonce is None:
        raise BadInput(_("Set one-time codes up first."))
    if not _take(user, code, key, now):
        raise BadInput(_("This code is wrong. Check the clock of your phone."))
    user.totp_since = now
    return recovery_codes.renew(session, user, key)


def check(session: Session, user: User, code: str, key: bytes, now: datetime) -> str:
    """Accept a one-time or recovery code at sign-in, each at most once. Returns which kind it was.

    Raises SignInRefused.
    """
    if user.totp_since is None:
        raise SignInRefused(_("One-time codes were switched off. Sign in again."))
    if recovery_codes.is_recovery_code(code):
        if recovery_codes.use(session, user, code, key):
            return "recovery code"
    elif _take(user, code, key, now):
        return "code"
    raise SignInRefused(_("This code is wrong."))


def switch_off(session: Session, user: User) -> None:
    """Stop asking for codes, and delete the recovery codes."""
    user.totp_nonce, user.totp_since = None, None
    recovery_codes.clear(session, user)


def secret_of(user: User, key: bytes) -> str:
    """The user's secret, base32."""
    assert user.totp_nonce is not None
    return base64.b32encode(hmac.digest(key, b"totp " + user.totp_nonce, hashlib.sha256)[:20]).decode()


def address_of(user: User, key: bytes) -> str:
    """The `otpauth://` address that an app reads from a QR code."""
    return pyotp.TOTP(secret_of(user, key)).provisioning_uri(name=user.email, issuer_name="Layerwatch")


def _take(user: User, code: str, key: bytes, now: datetime) -> bool:
    totp = pyotp.TOTP(secret_of(user, key))
    given = code.replace(" ", "")
    here = int(now.timestamp()) // STEP_S
    for step in range(max(here - ALLOWED_DRIFT_STEPS, user.totp_step + 1), here + ALLOWED_DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.at(step * STEP_S).encode(), given.encode("utf-8", "replace")):
            user.totp_step = step
            return True
    return False
