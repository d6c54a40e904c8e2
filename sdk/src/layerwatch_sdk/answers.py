"""What each call of the contract answers, from a reply that may be anything."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Mapping, Optional

from layerwatch_sdk.detail import is_fraction, optional_text, read_detail
from layerwatch_sdk.models import BedCheck, Context, Inspection, LeftOver, NextInterval, Usage
from layerwatch_sdk.wire import Reply, answer_object, boolean, integer, invalid, kind_of, request_id, text

MAX_COUNT = 2**53
"""Of calls and micro-dollars: what JSON's numbers hold exactly."""

MAX_INTERVAL_SECONDS = 86_400
"""An interval above a day counts as a broken answer."""

_CONTEXT_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_URL = re.compile(r"(https?)://[^/?#\s@]+(?:[/?#]\S*)?", re.IGNORECASE)


def read_context(reply: Reply, warning_level: int, pause_level: int, *, secure: bool) -> Context:
    """The answer to createcontext. Raises ApiError or InvalidResponse.

    secure: the service was reached by https, so that its URLs must be https too: the key goes there.
    """
    answer = answer_object(reply)
    context_id = text(reply, answer, "ContextId")
    if not _CONTEXT_ID.fullmatch(context_id):
        raise invalid(reply, "ContextId is not 1 to 64 letters and digits")
    urls = []
    for name in ("ProcessRequestUrl", "FallbackProcessRequestUrl"):
        url = text(reply, answer, name)
        match = _URL.fullmatch(url)
        if match is None:
            raise invalid(reply, f"{name} is not a complete http(s) URL")
        if secure and match.group(1).lower() != "https":
            raise invalid(
                reply,
                f"{name} is plain http, but the service was reached by https: fix the URL in its settings",
            )
        urls.append(url)
    return Context(context_id, urls[0], urls[1], warning_level, pause_level)


def read_inspection(reply: Reply) -> Inspection:
    """The answer to process, in either dialect. Raises ApiError or InvalidResponse."""
    answer = answer_object(reply)
    faster = answer.get("FasterInspectionSuggested", False)
    if faster is None:
        faster = False
    if not isinstance(faster, bool):
        raise invalid(reply, "FasterInspectionSuggested is not a bool")
    detail = answer.get("Detail")
    return Inspection(
        next_interval=_interval(reply, answer, faster),
        print_quality=integer(reply, answer, "PrintQuality", 1, 10),
        warning_suggested=boolean(reply, answer, "WarningSuggested"),
        pause_suggested=boolean(reply, answer, "PauseSuggested"),
        score=integer(reply, answer, "Score", 0, 100),
        faster_inspection_suggested=faster,
        detail=read_detail(detail) if isinstance(detail, dict) else None,
        received_at=reply.at,
        request_id=request_id(reply),
        condition=_condition(reply),
    )


def read_acknowledgement(reply: Reply) -> None:
    """The answer to feedback: a 200 with any JSON object. Raises ApiError or InvalidResponse."""
    answer_object(reply)


def read_bed_check(reply: Reply) -> BedCheck:
    """The answer to a bed check. Raises ApiError or InvalidResponse."""
    answer = answer_object(reply)
    words = {"clear": True, "not_clear": False, "cannot_say": None}
    bed = text(reply, answer, "Bed")
    if bed not in words:
        raise invalid(reply, f"Bed is {bed!r}")
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
    answer = answer_object(reply)
    tier = answer.get("Tier")
    if not isinstance(tier, dict):
        raise invalid(reply, f"Tier is {kind_of(tier)}, not an object")

    def count(name: str, within: Mapping[str, Any] = answer) -> int:
        return integer(reply, within, name, 0, MAX_COUNT)

    def allowance(name: str) -> Optional[int]:
        return None if answer.get(name) is None else count(name)

    try:
        resets_at = datetime.fromisoformat(text(reply, answer, "ResetsAt").replace("Z", "+00:00"))
    except ValueError:
        raise invalid(reply, "ResetsAt is not a time") from None
    return Usage(
        month=text(reply, answer, "Month"),
        calls=count("Calls"),
        free_calls=allowance("FreeCalls"),
        free_calls_left=allowance("FreeCallsLeft"),
        free_only=boolean(reply, answer, "FreeOnly"),
        tier=count("Number", tier),
        micro_dollars_per_call=count("MicroDollarsPerCall", tier),
        spend_micro_dollars=count("SpendMicroDollars"),
        projected_calls=count("ProjectedCalls"),
        projected_micro_dollars=count("ProjectedMicroDollars"),
        test_calls_today=count("TestCallsToday"),
        test_calls_left_today=count("TestCallsLeftToday"),
        resets_at=resets_at,
    )


def _interval(reply: Reply, answer: Mapping[str, Any], faster: bool) -> NextInterval:
    value = answer.get("NextProcessIntervalSec")
    if isinstance(value, dict):
        minimum = integer(reply, value, "Minimum", 1, MAX_INTERVAL_SECONDS)
        recommended = max(minimum, integer(reply, value, "Recommended", 1, MAX_INTERVAL_SECONDS))
        return NextInterval(minimum if faster else recommended, minimum, recommended)
    seconds = integer(reply, answer, "NextProcessIntervalSec", 1, MAX_INTERVAL_SECONDS)
    return NextInterval(seconds, seconds, seconds)


def _condition(reply: Reply) -> Optional[str]:
    """The answer's X-Picture-Condition, if it is a word."""
    value = reply.headers.get("x-picture-condition", "").strip()
    return value if re.fullmatch(r"[a-z][a-z-]{0,31}", value) else None
