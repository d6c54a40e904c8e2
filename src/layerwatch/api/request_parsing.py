"""What a caller may say besides the picture: confidence levels, dialect, idempotency key, options."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from layerwatch.api.errors import ApiError, ErrorType, bad_args
from layerwatch.temporal import Levels

MAX_BODY = 64 * 1024
"""Bytes of a JSON body. The largest sensible one has under 100."""


async def read_body(content_length: str | None, stream: AsyncIterator[bytes], seconds: float) -> bytes:
    """A small body, whole. Raises ApiError when it is larger than `MAX_BODY` or slower than `seconds`."""
    too_large = bad_args(f"The body is larger than {MAX_BODY:,} bytes.", 413)
    if content_length is not None and content_length.isdecimal() and int(content_length) > MAX_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in stream:
                body += chunk
                if len(body) > MAX_BODY:
                    raise too_large
    except TimeoutError as late:
        raise bad_args("The body stopped or took too long.", Connection="close") from late
    return bytes(body)


def parse_object(body: bytes) -> Mapping[str, Any]:
    """A JSON object; an empty body is an empty one. Of a name given twice the last counts.

    Raises ApiError (OE_ARGS_PARSE_FAILED) for anything else, also for NaN and for nesting without end.
    """
    if not body:
        return {}
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant, parse_int=_bounded_int)
    except (ValueError, RecursionError) as error:
        raise _unparsable("it is not valid JSON") from error
    if not isinstance(value, dict):
        raise _unparsable("it is not a JSON object")
    return value


def _unparsable(why: str) -> ApiError:
    return ApiError(
        ErrorType.ARGS_PARSE_FAILED,
        400,
        f"The body cannot be used: {why}. Send a JSON object, {{}} or nothing.",
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _bounded_int(text: str) -> int | float:
    """An int, unless it has more digits than anything here can mean."""
    return int(text) if len(text) <= 20 else float("inf")


def confidence_levels(arguments: Mapping[str, Any]) -> Levels:
    """The two confidence levels; absent or null is 3. Raises ApiError (OE_BAD_ARGS)."""

    def level(name: str) -> int:
        value = arguments.get(name)
        if value is None:
            return 3
        if type(value) is not int or not 1 <= value <= 5:
            raise bad_args(f"{name} must be an integer from 1 to 5, or null.")
        return value

    return Levels(warning=level("WarningConfidenceLevel"), pause=level("PauseConfidenceLevel"))


def dialect(header: str | None, pinned: int) -> int:
    """1 or 2: what X-API-Version asks for, else what is pinned to the key. Raises ApiError."""
    if header is None:
        return pinned
    if header not in ("1", "2"):
        raise bad_args("X-API-Version must be 1 or 2.")
    return int(header)


def idempotency_key(header: str | None) -> str | None:
    """The UUID of Idempotency-Key in its usual form. Raises ApiError."""
    if header is None:
        return None
    try:
        return str(uuid.UUID(header))
    except ValueError as error:
        raise bad_args("Idempotency-Key must be a UUID, such as one made by uuid4.") from error


def wants_detail(value: str | None) -> bool:
    """Whether `?detail=` asks for the Detail object. Raises ApiError."""
    if value in (None, "0", "false"):
        return False
    if value in ("1", "true"):
        return True
    raise bad_args("detail must be 1 or 0.")
