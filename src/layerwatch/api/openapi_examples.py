"""What OpenAPI says of each call: parameters, bodies, and an example of every answer."""

from __future__ import annotations

from typing import Any

from layerwatch.api.errors import ErrorType
from layerwatch.api.models import (
    CreateContext,
    CreatedContext,
    Error,
    Feedback,
    FeedbackTaken,
    ProcessAnswer1,
    ProcessAnswer2,
    Usage,
)
from layerwatch.api.multipart import MAX_FILE
from layerwatch.api.request_parsing import MAX_LAYER
from layerwatch.core.text import MAX_NAME_LENGTH

Description = dict[str, Any]

_CONTEXT = "0000000s7Yt0mSxCkQ3vWl9ZbR4aUe6HfGj2NdPq8LiVoXyTcEwKzB1uMA5h"
_URL = f"https://eu.example.org/api/gadget/v1/process/{_CONTEXT}"

_REQUEST_ID = {
    "X-Request-Id": {"description": "Names this answer in our logs.", "schema": {"type": "string"}},
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "schema": {"type": "integer", "minimum": 1},
    },
}

_PICTURE_CONDITION = {
    "X-Picture-Condition": {
        "description": "Whether the picture was fit to judge the print by. Anything but `ok` is no evidence "
        "about the print and never makes it look better.",
        "schema": {
            "type": "string",
            "enum": ["ok", "frozen", "dark", "bright", "blurred", "blocked", "no-print", "moved"],
        },
    },
}

_ERRORS: dict[str, tuple[int, ErrorType, str]] = {
    "bad argument": (
        400,
        ErrorType.BAD_ARGS,
        "PauseConfidenceLevel must be an integer from 1 to 5, or null.",
    ),
    "no file": (
        400,
        ErrorType.BAD_ARGS,
        "The body holds no file. Send one JPEG as a file of multipart/form-data.",
    ),
    "not JSON": (
        400,
        ErrorType.ARGS_PARSE_FAILED,
        "The body cannot be used: it is not valid JSON. Send a JSON object, {} or nothing.",
    ),
    "not a JPEG": (400, ErrorType.IMAGE_DECODE_FAILED, "The file does not begin like a JPEG."),
    "no key": (401, ErrorType.INVALID_API_KEY, "No API key. Send it in the header X-API-Key."),
    "payment": (402, ErrorType.PAYMENT_FAILED, "An invoice is overdue. Pay it in the console to go on."),
    "disabled": (
        403,
        ErrorType.API_KEY_DISABLED,
        "This API key was disabled. Make a new one in the console.",
    ),
    "address not allowed": (
        403,
        ErrorType.IP_RESTRICTED,
        "This API key may not be used from this address. Make a key that allows it, "
        "or call from an allowed one.",
    ),
    "too large": (
        413,
        ErrorType.BAD_ARGS,
        f"The picture is larger than {MAX_FILE:,} bytes. Send a smaller JPEG.",
    ),
    "body too large": (413, ErrorType.BAD_ARGS, "The body is larger than 65,536 bytes."),
    "free usage used up": (
        429,
        ErrorType.FREE_LIMIT,
        "The free calls of this month are used up and this account is on free usage only.",
    ),
    "too soon": (
        429,
        ErrorType.RATE_LIMITED,
        "Too early: NextProcessIntervalSec has not passed. Retry in 27 s.",
    ),
    "much feedback": (429, ErrorType.RATE_LIMITED, "At most 20 feedbacks for one print."),
    "context lost": (500, ErrorType.INTERNAL, "Failed to get context object."),
    "our fault": (
        500,
        ErrorType.INTERNAL,
        "Something went wrong on our side. Nothing was charged; try again.",
    ),
    "too busy": (
        503,
        ErrorType.THROTTLED,
        "Too busy to answer in time. Nothing was charged; try again in 40 s.",
    ),
}

_KEY_ERRORS = ("no key", "disabled", "address not allowed")
"""What every call may answer about its key."""

_TITLES = {
    400: "The request is wrong.",
    401: "The key is missing or unknown.",
    402: "The account has an outstanding balance.",
    403: "The key is disabled for ever, or not allowed from this address.",
    413: "Too large.",
    429: "Not now.",
    500: "The context is lost, or something went wrong on our side.",
    503: "Too busy, or the key cannot be checked just now.",
}


def _answers(success: Description, *errors: str) -> dict[int | str, Description]:
    """A call's answers: the good one, and an example of each error it may give."""
    headers = {**_REQUEST_ID, **success.get("headers", {})}
    answers: dict[int | str, Description] = {200: {**success, "headers": headers}}
    for name in errors:
        status, kind, details = _ERRORS[name]
        answer = answers.setdefault(
            status,
            {
                "model": Error,
                "description": _TITLES[status],
                "headers": {**_REQUEST_ID, **(_RETRY_AFTER if status in (429, 503) else {})},
                "content": {"application/json": {"examples": {}}},
            },
        )
        answer["content"]["application/json"]["examples"][name] = {
            "value": {"ErrorType": kind.value, "ErrorDetails": details}
        }
    return answers


def _json_body(model: str, examples: Description, required: bool) -> Description:
    return {
        "required": required,
        "content": {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}, "examples": examples}
        },
    }


_CONTEXT_ID = {
    "name": "context_id",
    "in": "path",
    "required": True,
    "description": "The ContextId that createcontext gave.",
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z]{1,64}$"},
    "example": _CONTEXT,
}
_VERSION = {
    "name": "X-API-Version",
    "in": "header",
    "description": "Overrides the dialect that is pinned to the key.",
    "schema": {"type": "string", "enum": ["1", "2"]},
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeat of a key that succeeded on this context gets the stored answer, free. "
    "During an outage of the service's database another node may give a fresh answer; it is billed once "
    "all the same.",
    "schema": {"type": "string", "format": "uuid"},
}
_DETAIL = {
    "name": "detail",
    "in": "query",
    "description": "1: add the object Detail.",
    "schema": {"type": "string", "enum": ["0", "1"]},
}
_SECURITY: list[Description] = [{"ApiKey": []}]

CREATE_CONTEXT: Description = {
    "summary": "Open a context",
    "description": "One context per print. Free. A context lives 14 days.",
    "operation_id": "createcontext",
    "responses": _answers(
        {
            "model": CreatedContext,
            "description": "The context.",
            "content": {
                "application/json": {
                    "example": {
                        "ContextId": _CONTEXT,
                        "ProcessRequestUrl": _URL,
                        "FallbackProcessRequestUrl": _URL.replace("eu.", "global."),
                    }
                }
            },
        },
        *("bad argument", "not JSON", *_KEY_ERRORS, "body too large", "our fault", "too busy"),
    ),
    "openapi_extra": {
        "security": _SECURITY,
        "parameters": [_VERSION],
        "requestBody": _json_body(
            "CreateContext",
            {
                "defaults": {"value": {}},
                "quick to warn": {"value": {"WarningConfidenceLevel": 1, "PauseConfidenceLevel": None}},
                "with names": {
                    "value": {
                        "Name": "Bracket, second try",
                        "Printer": "garage",
                        "Camera": "top",
                        "File": "bracket.gcode",
                    }
                },
            },
            required=False,
        ),
    },
}

_ANSWER = {
    "NextProcessIntervalSec": 40,
    "PrintQuality": 8,
    "WarningSuggested": False,
    "PauseSuggested": False,
    "Score": 5,
}
_DETAIL_EXAMPLE = {
    "Kind": "spaghetti",
    "FailureProbability": 0.93,
    "Kinds": {
        "spaghetti": 0.91,
        "detachment": 0.22,
        "warping": 0.03,
        "layer_shift": 0.02,
        "blob": 0.05,
        "stringing": 0.08,
        "under_extrusion": 0.01,
        "bed_not_clear": 0.0,
    },
    "Boxes": [
        {"Kind": "spaghetti", "Probability": 0.9, "Left": 0.4, "Top": 0.5, "Width": 0.2, "Height": 0.3}
    ],
    "HeatMap": {"Rows": 2, "Columns": 2, "Cells": [3, 5, 9, 231]},
    "Condition": "ok",
    "Note": None,
    "PrintInView": 0.99,
    "Brightness": 0.47,
    "Sharpness": 0.61,
    "Milliseconds": 17.4,
    "ModelVersion": "0.1.0",
}

PROCESS: Description = {
    "summary": "Inspect one picture",
    "description": "One successful call is one billed inspection. A failed call is never billed and never "
    "moves the print's state.",
    "operation_id": "process",
    "responses": _answers(
        {
            "model": ProcessAnswer1 | ProcessAnswer2,
            "description": "What the print looks like, and when to send the next picture.",
            "headers": _PICTURE_CONDITION,
            "content": {
                "application/json": {
                    "examples": {
                        "dialect 1": {"value": _ANSWER},
                        "dialect 2": {
                            "value": {
                                **_ANSWER,
                                "NextProcessIntervalSec": {"Minimum": 20, "Recommended": 40},
                                "FasterInspectionSuggested": False,
                            }
                        },
                        "with ?detail=1": {
                            "value": {
                                "NextProcessIntervalSec": 20,
                                "PrintQuality": 1,
                                "WarningSuggested": True,
                                "PauseSuggested": True,
                                "Score": 93,
                                "Detail": _DETAIL_EXAMPLE,
                            }
                        },
                    }
                }
            },
        },
        *("bad argument", "no file", "not a JPEG", *_KEY_ERRORS, "payment", "too large"),
        *("free usage used up", "too soon", "context lost", "our fault", "too busy"),
    ),
    "openapi_extra": {
        "security": _SECURITY,
        "parameters": [_CONTEXT_ID, _DETAIL, _VERSION, _IDEMPOTENCY],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {
                            "image": {
                                "type": "string",
                                "contentMediaType": "image/jpeg",
                                "maxLength": MAX_FILE,
                                "description": "Exactly one JPEG file, under any field name.",
                            },
                            "camera": {
                                "type": "string",
                                "maxLength": 64,
                                "description": "Which of the print's cameras took it, where it has several.",
                            },
                            "layer": {
                                "type": "integer",
                                "minimum": 0,
                                "maximum": MAX_LAYER,
                                "description": "The current layer. Shown to people, as the next three are.",
                            },
                            "layers": {
                                "type": "integer",
                                "minimum": 0,
                                "maximum": MAX_LAYER,
                                "description": "How many layers the print has.",
                            },
                            "progress": {
                                "type": "number",
                                "minimum": 0,
                                "maximum": 1,
                                "description": "The share of the print that is done.",
                            },
                            "state": {
                                "type": "string",
                                "maxLength": MAX_NAME_LENGTH,
                                "description": "The printer's state, in its own words.",
                            },
                        },
                    }
                }
            },
        },
    },
}

FEEDBACK: Description = {
    "summary": "Give feedback on a print",
    "description": "An extension of the contract; free. `false_alarm`: what is seen is not a failure. "
    "`resumed`: a person resumed the print after a pause, whatever is seen now. `missed`: this is a "
    "failure that was not reported. `undo`: takes back the last feedback. The picture last inspected "
    "is kept for review. At most 20 for one print and 200 for one account in 24 hours.",
    "operation_id": "feedback",
    "responses": _answers(
        {
            "model": FeedbackTaken,
            "description": "Taken.",
            "content": {"application/json": {"example": {"ContextId": _CONTEXT, "Kind": "false_alarm"}}},
        },
        *("bad argument", "not JSON", *_KEY_ERRORS, "body too large", "much feedback"),
        *("context lost", "our fault", "too busy"),
    ),
    "openapi_extra": {
        "security": _SECURITY,
        "parameters": [_CONTEXT_ID],
        "requestBody": _json_body("Feedback", {"false alarm": {"value": {"Kind": "false_alarm"}}}, True),
    },
}

USAGE: Description = {
    "summary": "Read the account's usage",
    "description": "An extension of the contract; free. The current month of the key's account: calls, the "
    "allowance left, the price tier, what it costs so far and what it is heading for.",
    "operation_id": "usage",
    "responses": _answers(
        {
            "model": Usage,
            "description": "The month so far.",
            "content": {
                "application/json": {
                    "example": {
                        "Month": "2026-11",
                        "Calls": 6200,
                        "FreeCalls": 5000,
                        "FreeCallsLeft": 0,
                        "FreeOnly": False,
                        "Tier": {"Number": 2, "UpTo": 1_000_000, "MicroDollarsPerCall": 400},
                        "SpendMicroDollars": 480_000,
                        "SpendDollars": 0.48,
                        "ProjectedCalls": 8400,
                        "ProjectedMicroDollars": 1_360_000,
                        "ProjectedDollars": 1.36,
                        "TestCallsToday": 12,
                        "TestCallsLeftToday": 488,
                        "ResetsAt": "2026-12-01T00:00:00Z",
                    }
                }
            },
        },
        *(*_KEY_ERRORS, "our fault", "too busy"),
    ),
    "openapi_extra": {"security": _SECURITY},
}

BODIES = (CreateContext, Feedback)
"""Models that only bodies refer to, which FastAPI does not see by itself."""
