"""The contract's bytes: what is sent, and how an answer is read without trusting it.

Between the service and a maker's network stand proxies, captive portals and bad cables. So nothing is taken
for an answer that is not one: a 200 with a field missing is `InvalidResponse`, never "the print is fine".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Dict, Mapping, Optional
from urllib.parse import urlsplit

from layerwatch_sdk.detail import is_fraction, optional_text, read_detail
from layerwatch_sdk.errors import (
    ApiError,
    ForeignRefusal,
    InvalidApiKey,
    InvalidResponse,
    KeyRefused,
    api_error,
)
from layerwatch_sdk.models import (
    BedCheck,
    Context,
    Inspection,
    LeftOver,
    NextInterval,
    Usage,
)

PREFIX = "/api/gadget/v1"
MAX_ANSWER_BYTES = 262_144
"""No answer of the contract comes near this; what is longer is cut off and not believed."""

MAX_COUNT = 2**53
"""Of calls and micro-dollars: what JSON's numbers hold exactly."""

MAX_INTERVAL_SECONDS = 86_400
"""An interval above a day counts as a broken answer."""


_CONTEXT_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_URL = re.compile(r"(https?)://[^/?#\s@]+(?:[/?#]\S*)?", re.IGNORECASE)


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


def read_context(reply: Reply, warning_level: int, pause_level: int, *, secure: bool) -> Context:
    """The answer to createcontext. Raises ApiError or InvalidResponse.

    secure: the service was reached by https, so that its URLs must be https too: the key goes there.
    """
    answer = _object(reply)
    context_id = _text(reply, answer, "ContextId")
    if not _CONTEXT_ID.fullmatch(context_id):
        raise _invalid(reply, "ContextId is not 1 to 64 letters and digits")
    urls = []
    for name in ("ProcessRequestUrl", "FallbackProcessRequestUrl"):
        url = _text(reply, answer, name)
        match = _URL.fullmatch(url)
        if match is None:
            raise _invalid(reply, f"{name} is not a complete http(s) URL")
        if secure and match.group(1).lower() != "https":
            raise _invalid(
                reply,
                f"{name} is plain http, but the service was reached by https: fix the URL in its settings",
            )
        urls.append(url)
    return Context(context_id, urls[0], urls[1], warning_level, pause_level)


def read_inspection(reply: Reply) -> Inspection:
    """The answer to process, in either dialect. Raises ApiError or InvalidResponse."""
    answer = _object(reply)
    faster = answer.get("FasterInspectionSuggested", False)
    if faster is None:
        faster = False
    if not isinstance(faster, bool):
        raise _invalid(reply, "FasterInspectionSuggested is not a bool")
    detail = answer.get("Detail")
    return Inspection(
        next_interval=_interval(reply, answer, faster),
        print_quality=_integer(reply, answer, "PrintQuality", 1, 10),
        warning_suggested=_boolean(reply, answer, "WarningSuggested"),
        pause_suggested=_boolean(reply, answer, "PauseSuggested"),
        score=_integer(reply, answer, "Score", 0, 100),
        faster_inspection_suggested=faster,
        detail=read_detail(detail) if isinstance(detail, dict) else None,
        received_at=reply.at,
        request_id=request_id(reply),
        condition=_condition(reply),
    )


def read_acknowledgement(reply: Reply) -> None:
    """The answer to feedback: a 200 with any JSON object. Raises ApiError or InvalidResponse."""
    _object(reply)


def read_bed_check(reply: Reply) -> BedCheck:
    """The answer to a bed check. Raises ApiError or InvalidResponse."""
    answer = _object(reply)
    words = {"clear": True, "not_clear": False, "cannot_say": None}
    bed = _text(reply, answer, "Bed")
    if bed not in words:
        raise _invalid(reply, f"Bed is {bed!r}")
    places = answer.get("LeftOvers")
    found = [_left_over(place) for place in places] if isinstance(places, list) else []
    return BedCheck(
        words[bed],
        optional_text(answer.get("Reason")),
        tuple(place for place in found if place is not None),
    )


def _left_over(raw: object) -> Optional[LeftOver]:
    if not isinstance(raw, dict):
        return None
    numbers = [raw.get(name) for name in ("Left", "Top", "Width", "Height", "Area")]
    if not all(is_fraction(number) for number in numbers):
        return None
    return LeftOver(*(float(number) for number in numbers if number is not None))


def read_usage(reply: Reply) -> Usage:
    """The answer to usage. Raises ApiError or InvalidResponse."""
    answer = _object(reply)
    tier = answer.get("Tier")
    if not isinstance(tier, dict):
        raise _invalid(reply, f"Tier is {_kind(tier)}, not an object")

    def count(name: str, within: Mapping[str, Any] = answer) -> int:
        return _integer(reply, within, name, 0, MAX_COUNT)

    def allowance(name: str) -> Optional[int]:
        return None if answer.get(name) is None else count(name)

    try:
        resets_at = datetime.fromisoformat(_text(reply, answer, "ResetsAt").replace("Z", "+00:00"))
    except ValueError:
        raise _invalid(reply, "ResetsAt is not a time") from None
    return Usage(
        month=_text(reply, answer, "Month"),
        calls=count("Calls"),
        free_calls=allowance("FreeCalls"),
        free_calls_left=allowance("FreeCallsLeft"),
        free_only=_boolean(reply, answer, "FreeOnly"),
        tier=count("Number", tier),
        micro_dollars_per_call=count("MicroDollarsPerCall", tier),
        spend_micro_dollars=count("SpendMicroDollars"),
        projected_calls=count("ProjectedCalls"),
        projected_micro_dollars=count("ProjectedMicroDollars"),
        test_calls_today=count("TestCallsToday"),
        test_calls_left_today=count("TestCallsLeftToday"),
        resets_at=resets_at,
    )


def _object(reply: Reply) -> Dict[str, Any]:
    """The JSON object of a 200; anything else is raised as what it is."""
    if reply.status != 200:
        raise _refusal(reply)
    answer = _json(reply)
    if not isinstance(answer, dict):
        raise _invalid(reply, f"200, but the body is not a JSON object: {_excerpt(reply)}")
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
    return _invalid(reply, f"status {reply.status} without the service's error object: {_excerpt(reply)}")


def _json(reply: Reply) -> Any:
    if len(reply.body) >= MAX_ANSWER_BYTES:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def _invalid(reply: Reply, what: str) -> InvalidResponse:
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


def _interval(reply: Reply, answer: Mapping[str, Any], faster: bool) -> NextInterval:
    value = answer.get("NextProcessIntervalSec")
    if isinstance(value, dict):
        minimum = _integer(reply, value, "Minimum", 1, MAX_INTERVAL_SECONDS)
        recommended = max(minimum, _integer(reply, value, "Recommended", 1, MAX_INTERVAL_SECONDS))
        return NextInterval(minimum if faster else recommended, minimum, recommended)
    seconds = _integer(reply, answer, "NextProcessIntervalSec", 1, MAX_INTERVAL_SECONDS)
    return NextInterval(seconds, seconds, seconds)


def _integer(reply: Reply, answer: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = answer.get(name)
    if type(value) is not int:  # a bool is an int to isinstance
        raise _invalid(reply, f"{name} is {_kind(value)}, not an integer")
    if not low <= value <= high:
        raise _invalid(reply, f"{name} is {str(value)[:20]}, outside {low}..{high}")
    return value


def _boolean(reply: Reply, answer: Mapping[str, Any], name: str) -> bool:
    value = answer.get(name)
    if not isinstance(value, bool):
        raise _invalid(reply, f"{name} is {_kind(value)}, not a bool")
    return value


def _text(reply: Reply, answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str):
        raise _invalid(reply, f"{name} is {_kind(value)}, not a string")
    return value


def _kind(value: object) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"


def _condition(reply: Reply) -> Optional[str]:
    """The answer's X-Picture-Condition, if it is a word."""
    value = reply.headers.get("x-picture-condition", "").strip()
    return value if re.fullmatch(r"[a-z][a-z-]{0,31}", value) else None


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
