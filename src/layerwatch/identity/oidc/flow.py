"""Sign-in at an OpenID Connect provider: what the console needs of it, and the state of one attempt.

`provider.py` talks to the provider and needs `layerwatch[oidc]`; `factory.py` makes it from the settings.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, Self

LIFETIME = timedelta(minutes=10)
"""From leaving for the provider to coming back: time to find a phone with the second proof."""

_MAX_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in at the provider."""

    subject: str
    """Hash of the issuer and of the person's name there: the same for ever, and of no other issuer's."""
    email: str | None
    """Their address, if the provider says that it was verified."""


class Provider(Protocol):
    """An OpenID Connect provider. It is contacted only when somebody signs in."""

    name: str
    """What the button says."""

    def address(self, flow: Flow, key: bytes) -> str:
        """The provider's page where a flow begins. Raises SignInRefused when the provider does not answer."""
        ...

    def person(self, flow: Flow, key: bytes, code: str, issuer: str) -> Person:
        """Who came back with this code. issuer: the answer's `iss`, empty if it had none.

        Raises SignInRefused unless the provider proves that it is somebody, for us, for this flow, now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Flow:
    """One sign-in attempt, between the redirect to the provider and the callback.

    The browser keeps it in a cookie, the server keeps nothing: `state`, `nonce` and PKCE's verifier are
    derived from the cookie's text under the installation's secret. So a callback with the right state
    comes from the browser with that cookie, on any node, and no one else can compute the verifier.

    user_id: who connects their user with the provider; None: somebody signs in. next: the page after it.
    """

    text: str
    user_id: int | None
    next: str

    @classmethod
    def begin(cls, now: datetime, *, user_id: int | None = None, next: str = "") -> Self:
        """A new one; its text goes into the browser's cookie."""
        page = base64.urlsafe_b64encode(next[:400].encode()).decode()
        text = f"{int(now.timestamp())}.{secrets.token_urlsafe(32)}.{user_id or 0}.{page}"
        return cls(text, user_id, next[:400])

    @classmethod
    def read(cls, text: str, now: datetime) -> Self | None:
        """Parse a cookie; None if it is malformed or too old. Only `is_state` verifies it."""
        if len(text) > _MAX_LENGTH:
            return None
        try:
            began, _, user, page = text.split(".")
            age = now - datetime.fromtimestamp(int(began), UTC)
            user_id, after = int(user), base64.urlsafe_b64decode(page).decode()
        except (ValueError, OverflowError, OSError, binascii.Error):
            return None
        if not -timedelta(minutes=1) <= age <= LIFETIME:
            return None
        return cls(text, user_id or None, after)

    def state(self, key: bytes) -> str:
        """What the provider hands back, so that an answer belongs to the browser that asked."""
        return self._part("state", key)

    def is_state(self, given: str, key: bytes) -> bool:
        """Whether an answer belongs to this flow, in constant time."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.state(key).encode())

    def nonce(self, key: bytes) -> str:
        """What the provider writes into the id token, so that no other token can be put in its place."""
        return self._part("nonce", key)

    def verifier(self, key: bytes) -> str:
        """PKCE's secret (RFC 7636): without it a code that was overheard is worth nothing."""
        return self._part("verifier", key)

    def _part(self, name: str, key: bytes) -> str:
        proof = hmac.digest(key, f"oidc {name} {self.text}".encode("utf-8", "replace"), hashlib.sha256)
        return base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
