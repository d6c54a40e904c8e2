"""What a caller may say besides the picture: confidence levels, dialect, idempotency key, options."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from layerwatch.api.errors import ApiError, ErrorType, bad_args
from layerwatch.core.text import MAX_NAME_LENGTH, InvalidName, clean_name, is_unsafe
from layerwatch.learning import LearningError
from layerwatch.learning.verdicts import MAX_COMMENT, NAMES, FeedbackDetails, verdict_of
from layerwatch.prints import PrintLabels, PrintProgress
from layerwatch.temporal import Levels
from layerwatch.vision.evidence import KINDS

MAX_BODY = 64 * 1024
"""Bytes of a JSON body. The largest sensible one has under 100."""


async def read_body(content_length: str | None, stream: AsyncIterator[bytes]) -> bytes:
    """A small body, whole. Raises ApiError when it is larger than `MAX_BODY`."""
    too_large = bad_args(f"The body is larger than {MAX_BODY:,} bytes.", 413)
    if content_length is not None and content_length.isdecimal() and int(content_length) > MAX_BODY:
        raise too_large
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
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


def print_labels(arguments: Mapping[str, Any]) -> PrintLabels:
    """Name, Printer, Camera and File; absent, null and empty are None. Raises ApiError (OE_BAD_ARGS)."""

    def label(name: str) -> str | None:
        value = arguments.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise bad_args(f"{name} must be a string of at most {MAX_NAME_LENGTH} characters, or null.")
        return _clean(value, name)

    return PrintLabels(label("Name"), label("Printer"), label("Camera"), label("File"))


def feedback(arguments: Mapping[str, Any]) -> tuple[str, FeedbackDetails]:
    """The verdict of Kind, with FailureKind, Comment and ShareImages. Raises ApiError (OE_BAD_ARGS)."""

    def text(name: str) -> str | None:
        value = arguments.get(name)
        if value is not None and not isinstance(value, str):
            raise bad_args(f"{name} must be a string, or null.")
        return " ".join(value.split()) or None if value else None

    kind, comment, share = arguments.get("Kind"), text("Comment"), arguments.get("ShareImages")
    if not isinstance(kind, str) or kind not in NAMES:
        raise bad_args(f"Kind must be one of {', '.join(NAMES)}.")
    if comment is not None and (len(comment) > MAX_COMMENT or any(map(is_unsafe, comment))):
        raise bad_args(f"Comment has at most {MAX_COMMENT} characters, without control characters.")
    if share is not None and not isinstance(share, bool):
        raise bad_args("ShareImages must be true, false or null.")
    try:
        return verdict_of(kind), FeedbackDetails(text("FailureKind"), comment, share is not False)
    except LearningError as error:
        raise bad_args(f"FailureKind must be one of {', '.join(KINDS)}, or null.") from error


BED_FIELDS = ("printer", "camera", "empty")
"""The form fields of a bed check."""


def bed_labels(values: Mapping[str, str]) -> tuple[str, str]:
    """The printer and the camera label (empty where there is none) of a bed check.

    Raises ApiError (OE_BAD_ARGS).
    """
    printer = _clean(values.get("printer", ""), "The field printer")
    if printer is None:
        raise bad_args(
            "The field printer is missing: send the printer's name, as in createcontext's Printer."
        )
    return printer, _clean(values.get("camera", ""), "The field camera") or ""


def shows_empty_bed(values: Mapping[str, str]) -> bool:
    """Whether the caller says that this picture shows the empty bed. Raises ApiError (OE_BAD_ARGS)."""
    text = values.get("empty", "").strip()
    if text not in ("", "true", "false"):
        raise bad_args("The field empty takes true or false.")
    return text == "true"


PROGRESS_FIELDS = ("layer", "layers", "progress", "state")
"""The optional form fields of Process that `print_progress` reads."""

MAX_LAYER = 9_999_999

_LAYER = re.compile(r"[0-9]{1,7}")
_FRACTION = re.compile(r"[0-9]{1,3}(\.[0-9]{0,20})?([eE]-?[0-9]{1,3})?")


def print_progress(values: Mapping[str, str]) -> PrintProgress:
    """What a printer reports of its job, from form fields; absent and empty are None.

    Raises ApiError (OE_BAD_ARGS).
    """

    def layer(name: str) -> int | None:
        text = values.get(name, "").strip()
        if not text:
            return None
        if not _LAYER.fullmatch(text):
            raise bad_args(f"The field {name} takes a whole number from 0 to {MAX_LAYER:,}.")
        return int(text)

    def fraction(name: str) -> float | None:
        text = values.get(name, "").strip()
        if not text:
            return None
        if not _FRACTION.fullmatch(text) or not 0 <= float(text) <= 1:
            raise bad_args(f"The field {name} takes a number from 0 to 1.")
        return float(text)

    return PrintProgress(
        layer("layer"),
        layer("layers"),
        fraction("progress"),
        _clean(values.get("state", ""), "The field state"),
    )


def _clean(text: str, what: str) -> str | None:
    if not text.strip():
        return None
    try:
        return clean_name(text, what)
    except InvalidName as error:
        raise bad_args(str(error)) from error


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
