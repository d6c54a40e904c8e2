"""Signing in at an OpenID Connect provider: authorization code with PKCE, state and nonce.

After OpenID Connect Core 1.0, Discovery 1.0, RFC 7636 (PKCE) and RFC 9207 (issuer in the answer), by Authlib.
The server fetches the document of the issuer that the operator named, and the addresses named in it. Nothing
that a visitor sends chooses an address, no redirect is followed, and answers are bounded in size and time.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from httpx2 import Client, HTTPError
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from layerwatch.identity.errors import SignInRefused
from layerwatch.identity.oidc.bounded_transport import BoundedTransport
from layerwatch.identity.oidc.flow import Flow, Person

log = structlog.get_logger(__name__)

CACHE_LIFETIME_S = 3600.0
"""Seconds for which the provider's document and keys are kept."""

KEY_REFRESH_INTERVAL_S = 60.0
"""Minimum seconds between two fetches of the provider's keys because of an unknown key."""

CLOCK_LEEWAY_S = 60
"""Seconds that the provider's clock may be off."""

SIGNATURES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Taken on an id token: signatures by a key pair only. `none` and HMAC would let others make tokens."""

_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ProviderFailed(SignInRefused):
    """The provider's answer is missing or unusable. The log has the reason."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was fetched of the provider, and when."""

    document: Mapping[str, Any]
    keys: KeySet
    at: float


class OpenIdProvider:
    """Implements `Provider`. name: empty for the issuer's host. back: the page of ours that it leads back to.

    Safe to use from several threads.
    """

    def __init__(self, issuer: str, client_id: str, client_secret: str, *, name: str, back: str) -> None:
        self.name = name or (urlsplit(issuer).hostname or issuer)
        self._issuer, self._back = issuer, back
        self._client_id, self._client_secret = client_id, client_secret
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def address(self, flow: Flow, key: bytes) -> str:
        """As `Provider`; raises ProviderFailed."""
        document = self._fetched().document
        with self._client() as client:
            url, _ = client.create_authorization_url(
                document["authorization_endpoint"],
                state=flow.state(key),
                nonce=flow.nonce(key),
                code_verifier=flow.verifier(key),
            )
        return str(url)

    def person(self, flow: Flow, key: bytes, code: str, issuer: str) -> Person:
        """As `Provider`; raises ProviderFailed."""
        document = self._fetched().document
        promised = document.get("authorization_response_iss_parameter_supported") is True
        if issuer != self._issuer and (issuer or promised):
            raise self._failed("the answer is another issuer's")
        try:
            with self._client(document) as client:
                token = client.fetch_token(
                    document["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=flow.verifier(key),
                )
                claims = self._claims(token, flow.nonce(key))
                if "email" not in claims and document.get("userinfo_endpoint"):
                    claims = self._more(client, document["userinfo_endpoint"], claims["sub"])
        except (AuthlibBaseError, JoseError, HTTPError, ValueError, KeyError, TypeError) as error:
            # Not the message: a library's may hold what the provider sent.
            about = getattr(error, "claim", None) or getattr(error, "error", "")
            raise self._failed(f"{type(error).__name__} {about}".strip()) from error
        return self._person(claims)

    def _claims(self, token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        text = token["id_token"]
        try:
            signed = self._decode(text, self._fetched().keys)
        except InvalidKeyIdError:  # the provider has changed its keys
            signed = self._decode(text, self._fetched(newer=True).keys)
        claims = CodeIDToken(
            signed.claims,
            signed.header,
            {
                "iss": {"essential": True, "value": self._issuer},
                "aud": {"essential": True, "value": self._client_id},
                "sub": {"essential": True},
                "nonce": {"essential": True},
            },
            {"client_id": self._client_id, "nonce": nonce, "access_token": token.get("access_token")},
        )
        claims.validate(leeway=CLOCK_LEEWAY_S)
        return dict(claims)

    def _decode(self, text: str, keys: KeySet) -> jwt.Token:
        registry = JWSRegistry(algorithms=SIGNATURES, strict_check_header=False)
        return jwt.decode(text, keys, registry=registry)

    def _more(self, client: OAuth2Client, address: str, subject: str) -> Mapping[str, Any]:
        """The claims of the provider's userinfo page: some put the e-mail address only there."""
        answer = client.get(address)
        answer.raise_for_status()
        claims: Mapping[str, Any] = answer.json()
        if claims["sub"] != subject:
            raise ValueError("userinfo is about somebody else")
        return claims

    def _person(self, claims: Mapping[str, Any]) -> Person:
        name, email = claims["sub"], claims.get("email")
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise self._failed("the person has no name")
        proved = claims.get("email_verified") in (True, "true")  # a word with some providers
        subject = hashlib.sha256(f"{self._issuer}\n{name}".encode()).hexdigest()
        return Person(subject, email if proved and isinstance(email, str) else None)

    def _fetched(self, *, newer: bool = False) -> _Known:
        """The provider's document and keys, as fetched lately. Raises ProviderFailed."""
        with self._lock:
            known, now = self._known, time.monotonic()
            if known is not None and now - known.at < (KEY_REFRESH_INTERVAL_S if newer else CACHE_LIFETIME_S):
                return known
            try:
                self._known = self._fetch(now)
            except (HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
                if known is None or newer:
                    raise self._failed(f"not fetched: {type(error).__name__}") from error
            assert self._known is not None
            return self._known

    def _fetch(self, now: float) -> _Known:
        with Client(transport=BoundedTransport(), follow_redirects=False) as client:
            address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            document = client.get(address).raise_for_status().json()
            if document["issuer"] != self._issuer:
                raise ValueError("the document is another issuer's")
            for name in (*_NEEDED, *({"userinfo_endpoint"} & document.keys())):
                if not is_safe(document[name], self._issuer):
                    raise ValueError(f"{name} is not over https")
            keys = client.get(document["jwks_uri"]).raise_for_status().json()
        return _Known(document, KeySet.import_key_set(keys), now)

    def _client(self, document: Mapping[str, Any] | None = None) -> OAuth2Client:
        takes = (document or {}).get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in takes else "client_secret_post"
        return OAuth2Client(
            self._client_id,
            self._client_secret,
            token_endpoint_auth_method=method if self._client_secret else "none",
            scope="openid email",
            redirect_uri=self._back,
            code_challenge_method="S256",
            transport=BoundedTransport(),
            follow_redirects=False,
        )

    def _failed(self, why: str) -> ProviderFailed:
        log.warning("provider_failed", why=why)
        return ProviderFailed(f"Signing in with {self.name} did not work. Try again in a moment.")


def is_safe(address: object, issuer: str) -> bool:
    """Whether the server may fetch it: over https, or without on this machine if the issuer is here, too."""
    if not isinstance(address, str):
        return False
    parts = urlsplit(address)
    here = parts.hostname in _LOOPBACK and urlsplit(issuer).hostname in _LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and here))
