"""The contract's bytes: what is sent, and how any reply is read without trusting it (each call's: `answers`).

Between the service and a maker's network stand proxies, captive portals and bad cables. So nothing is taken
for an answer that is not one: a 200 with a field missing is `InvalidResponse`, never "the print is fine".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional
from urllib.parse import urlsplit

from layerwatch_sdk.errors import (
    ApiError,
    ForeignRefusal,
    InvalidApiKey,
    InvalidResponse,
    KeyRefused,
    api_error,
)

PREFIX = "/api/gadget/v1"
MAX_ANSWER_BYTES = 262_144
"""No answer of the contract comes near this; what is longer is cut off and not believed."""


@dataclass(frozen=True)
class Request:
    """One HTTP request, not yet sent. `json_body` or `picture` (JPEG bytes) is its body, or neither."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    json_body: Optional[Mapping[str, Any]] = None
    picture: Optional[bytes] = field(default=None, repr=False)
    fields: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    @property
    def origin(self) -> str:
        """The URL's scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@dataclass(frozen=True)
class Reply:
    """One HTTP answer, read whole. Header names in lower case. `at`: the clock's seconds when it had come."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    at: float = 0.0


def answer_object(reply: Reply) -> Dict[str, Any]:
    """The JSON object of a 200; anything else is raised as what it is: ApiError or InvalidResponse."""
    if reply.status != 200:
        raise _refusal(reply)
    answer = _json(reply)
    if not isinstance(answer, dict):
        raise invalid(reply, f"200, but the body is not a JSON object: {_excerpt(reply)}")
    return answer


def _refusal(reply: Reply) -> Exception:
    answer = _json(reply)
    error_type = answer.get("ErrorType") if isinstance(answer, dict) else None
    details = answer.get("ErrorDetails") if isinstance(answer, dict) else None
    ours = isinstance(error_type, str) and error_type and isinstance(details, str) and reply.status >= 400
    if ours:
        error: ApiError = api_error(
            str(error_type),
            str(details),
            status=reply.status,
            retry_after=retry_after(reply),
            request_id=request_id(reply),
        )
        # Stopping every printer of a customer takes both the status and the word for it.
        expected = 401 if isinstance(error, InvalidApiKey) else 403
        if not isinstance(error, KeyRefused) or reply.status == expected:
            return error
    if reply.status in (401, 403):
        return ForeignRefusal(
            f"{reply.status} from something that is not the service (a proxy or a captive portal?); "
            f"the API key may still be valid: {_excerpt(reply)}",
            status=reply.status,
            retry_after=retry_after(reply),
            request_id=request_id(reply),
        )
    return invalid(reply, f"status {reply.status} without the service's error object: {_excerpt(reply)}")


def _json(reply: Reply) -> Any:
    if len(reply.body) >= MAX_ANSWER_BYTES:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def invalid(reply: Reply, what: str) -> InvalidResponse:
    """The error for a reply that is not an answer of the service. what: why not."""
    return InvalidResponse(
        f"not an answer of the service: {what}",
        status=reply.status,
        retry_after=retry_after(reply),
        request_id=request_id(reply),
    )


def _excerpt(reply: Reply) -> str:
    kind = reply.headers.get("content-type", "no content type").split(";")[0][:60]
    text = " ".join(reply.body[:300].decode("utf-8", "replace").split())[:120]
    return f"{len(reply.body)} bytes of {kind}, {text!r}" if text else f"empty body, {kind}"


def integer(reply: Reply, answer: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """A field that is a whole number from `low` to `high`. Raises InvalidResponse."""
    value = answer.get(name)
    if type(value) is not int:  # a bool is an int to isinstance
        raise invalid(reply, f"{name} is {kind_of(value)}, not an integer")
    if not low <= value <= high:
        raise invalid(reply, f"{name} is {str(value)[:20]}, outside {low}..{high}")
    return value


def boolean(reply: Reply, answer: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false. Raises InvalidResponse."""
    value = answer.get(name)
    if not isinstance(value, bool):
        raise invalid(reply, f"{name} is {kind_of(value)}, not a bool")
    return value


def text(reply: Reply, answer: Mapping[str, Any], name: str) -> str:
    """A field that is a string. Raises InvalidResponse."""
    value = answer.get(name)
    if not isinstance(value, str):
        raise invalid(reply, f"{name} is {kind_of(value)}, not a string")
    return value


def kind_of(value: object) -> str:
    """What a field is that should be something else, in words."""
    return "missing" if value is None else f"a {type(value).__name__}"


def request_id(reply: Reply) -> Optional[str]:
    """The answer's X-Request-Id, if it is one: visible ASCII, at most 128 characters."""
    value = reply.headers.get("x-request-id", "")
    return value if 0 < len(value) <= 128 and value.isascii() and value.isprintable() else None


def retry_after(reply: Reply) -> Optional[float]:
    """The answer's Retry-After in seconds, from either of its two forms, or None."""
    value = reply.headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    from email.utils import parsedate_to_datetime
    from time import time

    try:
        then = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    try:  # by the answer's own clock, because ours may be wrong: a Raspberry Pi has none
        now = parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        now = time()
    return max(0.0, then - now)
