"""Known browsers: a long-lived signed cookie says that this browser signed in as a user before.

It opens nothing. It only gives the browser its own counter in `rate_limit`, so that guesses from elsewhere
do not lock its user out. The signature covers the password's hash: a new password makes every cookie unknown.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from layerwatch.identity.models import User

LIFETIME = timedelta(days=180)

_PREFIX = "layerwatch_device_"
_MAX_LENGTH = 120


def cookie_name(user_id: int) -> str:
    """The cookie's name: several people may use one browser."""
    return f"{_PREFIX}{user_id}"


def new_cookie(user: User, key: bytes, now: datetime) -> str:
    """The value of a cookie for a browser that the user just signed in with."""
    device = f"{int(now.timestamp())}.{secrets.token_urlsafe(12)}"
    return f"{device}.{_signature(user, device, key)}"


def known_device(cookies: Mapping[str, str], user: User | None, key: bytes, now: datetime) -> str | None:
    """The name of the user's known browser that sent these cookies; None for an unknown one."""
    if user is None:
        return None
    value = cookies.get(cookie_name(user.id), "")
    device, _, signature = value.rpartition(".")
    if len(value) > _MAX_LENGTH or not value.isascii():
        return None
    if not hmac.compare_digest(signature, _signature(user, device, key)):
        return None
    began = datetime.fromtimestamp(int(device.partition(".")[0]), UTC)
    return device if now - began <= LIFETIME else None


def _signature(user: User, device: str, key: bytes) -> str:
    signed = f"device {user.id} {device} {user.password or ''}"
    return hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()
