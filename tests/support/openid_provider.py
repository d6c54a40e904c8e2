"""A small OpenID Connect provider for tests, run as a process of its own: real HTTP, real RS256 keys.

It holds clients to the rules (client's secret, registered way back, PKCE with S256, each code once), and
signs in the user that `POST /control` named last, without asking. It can also break one rule,
as an attacker or a broken provider would.

    python tests/support/openid_provider.py PORT WAY_BACK
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx

CLIENT, CLIENT_SECRET = "layerwatch-tests", "the client's secret at the provider"
ANN = {"sub": "ann-0001", "email": "ann@example.org", "email_verified": True}


@dataclass
class Provider:
    """The running provider."""

    issuer: str

    def signs_in(self, fault: str = "", **claims: Any) -> None:
        """Whom it signs in next (`ANN` with other claims; None takes one away), and the rule it breaks."""
        person = {name: value for name, value in (ANN | claims).items() if value is not None}
        answer = httpx.post(
            f"{self.issuer}/control", json={"person": person, "fault": fault}, trust_env=False
        )
        assert answer.status_code == 200


@contextmanager
def running_provider(way_back: str) -> Iterator[Provider]:
    """A provider that knows our client. way_back: where it may lead back to; all that begins so."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(Path(__file__).resolve()), str(port), way_back])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/jwks", trust_env=False)
                break
            except httpx.HTTPError:
                assert process.poll() is None and time.monotonic() < deadline, "the provider did not start"
                time.sleep(0.05)
        yield Provider(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


@dataclass
class _Grant:
    query: dict[str, str]
    person: dict[str, Any]


@dataclass
class _State:
    issuer: str
    way_back: str
    person: dict[str, Any] = field(default_factory=lambda: dict(ANN))
    fault: str = ""
    grants: dict[str, _Grant] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)


def serve(port: int, way_back: str) -> None:
    """Be the provider until killed."""
    import uvicorn
    from joserfc import jwt
    from joserfc.jwk import OctKey, RSAKey
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.routing import Route

    state = _State(f"http://127.0.0.1:{port}", way_back)
    keys = [RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})]
    strange = RSAKey.generate_key(2048, {"kid": "first"})

    async def document(_: Request) -> Response:
        issuer = state.issuer
        return JSONResponse(
            {
                "issuer": "https://another.example" if state.fault == "document of another" else issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "userinfo_endpoint": f"{issuer}/userinfo",
                "jwks_uri": f"{issuer}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def jwks(_: Request) -> Response:
        return JSONResponse({"keys": [key.as_dict(private=False) for key in keys]})

    async def authorize(request: Request) -> Response:
        query = dict(request.query_params)
        fits = (
            query.get("client_id") == CLIENT
            and query.get("redirect_uri", "").startswith(state.way_back)
            and query.get("response_type") == "code"
            and "openid" in query.get("scope", "").split()
            and query.get("code_challenge_method") == "S256"
            and len(query.get("code_challenge", "")) == 43
            and len(query.get("state", "")) >= 22
            and len(query.get("nonce", "")) >= 22
        )
        if not fits:
            return PlainTextResponse("this request breaks a rule", 400)
        if state.fault == "denied":
            answer = {"error": "access_denied", "error_description": "<b>no</b>"}
        else:
            code = secrets.token_urlsafe(24)
            state.grants[code] = _Grant(query, dict(state.person))
            answer = {"code": code}
        issuer = "https://another.example" if state.fault == "answer of another" else state.issuer
        answer |= {"state": query["state"], "iss": issuer}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}", 302)

    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        grant = state.grants.pop(form.get("code", ""), None)
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(given).decode().partition(":")
        if (user, httpx.QueryParams(f"p={password}")["p"]) != (CLIENT, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            grant is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != grant.query["redirect_uri"]
            or challenge.rstrip(b"=").decode() != grant.query["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        access = secrets.token_urlsafe(24)
        state.tokens[access] = grant.person
        body = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        return JSONResponse(body | {"id_token": id_token(grant)})

    def id_token(grant: _Grant) -> str:
        now, fault = int(time.time()), state.fault
        claims: dict[str, Any] = {
            "iss": state.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.query["nonce"],
            **grant.person,
        }
        claims |= {
            "another issuer": {"iss": "https://another.example"},
            "another audience": {"aud": "somebody-else"},
            "one of several audiences": {"aud": [CLIENT, "somebody-else"], "azp": "somebody-else"},
            "another nonce": {"nonce": "n" * 43},
            "too old": {"iat": now - 7200, "exp": now - 3600},
        }.get(fault, {})
        if fault == "no nonce":
            del claims["nonce"]
        if fault == "thin":
            claims = {name: value for name, value in claims.items() if not name.startswith("email")}
        header = {"alg": "RS256", "kid": keys[0].kid}
        if fault == "not signed":
            return ".".join((_b64({"alg": "none"}), _b64(claims), ""))
        if fault == "signed by a stranger":
            return jwt.encode(header, claims, strange)
        if fault == "signed with the public key as a password":
            public = OctKey.import_key(keys[0].as_pem(private=False))
            return jwt.encode({"alg": "HS256", "kid": keys[0].kid}, claims, public)
        if fault == "new key":
            keys[:] = [RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})]
            header["kid"] = keys[0].kid
        return jwt.encode(header, claims, keys[0])

    async def userinfo(request: Request) -> Response:
        person = state.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if person is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse(person)

    async def control(request: Request) -> Response:
        wanted = await request.json()
        state.person, state.fault = wanted["person"], wanted["fault"]
        return JSONResponse({})

    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", document),
            Route("/jwks", jwks),
            Route("/authorize", authorize),
            Route("/token", token, methods=["POST"]),
            Route("/userinfo", userinfo),
            Route("/control", control, methods=["POST"]),
        ]
    )
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


def _b64(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
