"""The error object of the wire, and which of our errors becomes which.

Every refusal is `{"ErrorType": ..., "ErrorDetails": ...}`. Details are written for the integrator who reads
them; nothing of the inside (paths, SQL, addresses, tracebacks) ever goes into them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from starlette.responses import JSONResponse

from layerwatch.billing import FreeLimitReached, PaymentBlocked
from layerwatch.contexts import ContextLost, TooSoon
from layerwatch.keys import AddressNotAllowed, InvalidKey, KeyDisabled, KeyUnavailable
from layerwatch.learning import FeedbackLimitReached
from layerwatch.pacing import Throttled
from layerwatch.storage import StorageUnavailable
from layerwatch.vision.errors import Busy, ImageDecodeError

RETRY_AFTER_S = 5
"""Retry-After in seconds for temporary errors (a database restart), outside of Process."""


class ErrorType(StrEnum):
    """Every ErrorType of the wire."""

    BAD_ARGS = "OE_BAD_ARGS"
    ARGS_PARSE_FAILED = "OE_ARGS_PARSE_FAILED"
    IMAGE_DECODE_FAILED = "OE_IMAGE_DECODE_FAILED"
    INVALID_API_KEY = "OE_INVALID_API_KEY"
    API_KEY_DISABLED = "OE_API_KEY_DISABLED"
    IP_RESTRICTED = "OE_API_KEY_IP_RESTRICTED"
    PAYMENT_FAILED = "OE_API_KEY_BLOCKED_PAYMENT_FAILED"
    FREE_LIMIT = "OE_FREE_USAGE_LIMIT_REACHED"
    RATE_LIMITED = "OE_CONTEXT_RATE_LIMITED"
    THROTTLED = "OE_BACKEND_THROTTLED"
    INTERNAL = "OE_INTERNAL_ERROR"


@dataclass
class ApiError(Exception):
    """A refusal, as it goes out. crash: whether the server is at fault, which the status page counts."""

    type: ErrorType
    status: int
    details: str
    headers: dict[str, str] = field(default_factory=dict)
    crash: bool = False

    def response(self) -> JSONResponse:
        """The HTTP answer."""
        return JSONResponse(
            {"ErrorType": self.type.value, "ErrorDetails": self.details}, self.status, self.headers
        )


def bad_args(details: str, status: int = 400, **headers: str) -> ApiError:
    """A value is missing, invalid or too large."""
    return ApiError(ErrorType.BAD_ARGS, status, details, headers)


def throttled(retry_after: int) -> ApiError:
    """Too busy now."""
    return ApiError(
        ErrorType.THROTTLED,
        503,
        f"Too busy to answer in time. Nothing was charged; try again in {retry_after} s.",
        {"Retry-After": str(retry_after)},
    )


def internal() -> ApiError:
    """Anything that should not have happened."""
    return ApiError(
        ErrorType.INTERNAL,
        500,
        "Something went wrong on our side. Nothing was charged; try again.",
        crash=True,
    )


def translate(error: Exception, retry_after: int = RETRY_AFTER_S) -> ApiError:
    """The wire's error for one of ours. retry_after: seconds, for errors that ask for a later retry."""
    match error:
        case ApiError():
            return error
        case InvalidKey():
            return ApiError(ErrorType.INVALID_API_KEY, 401, str(error))
        case KeyDisabled():
            return ApiError(ErrorType.API_KEY_DISABLED, 403, str(error))
        case AddressNotAllowed():
            return ApiError(ErrorType.IP_RESTRICTED, 403, str(error))
        case PaymentBlocked():
            return ApiError(ErrorType.PAYMENT_FAILED, 402, str(error))
        case FreeLimitReached():
            return ApiError(ErrorType.FREE_LIMIT, 429, str(error), {"Retry-After": str(error.retry_after)})
        case ContextLost():
            # Exactly these words: clients open a new context on this triple and on nothing else.
            return ApiError(ErrorType.INTERNAL, 500, "Failed to get context object.")
        case TooSoon():
            return ApiError(
                ErrorType.RATE_LIMITED,
                429,
                f"Too early: NextProcessIntervalSec has not passed. Retry in {error.retry_after} s.",
                {"Retry-After": str(error.retry_after)},
            )
        case FeedbackLimitReached():
            return ApiError(ErrorType.RATE_LIMITED, 429, str(error), {"Retry-After": str(error.retry_after)})
        case ImageDecodeError():
            return ApiError(ErrorType.IMAGE_DECODE_FAILED, 400, str(error))
        case Throttled() | Busy() | StorageUnavailable() | KeyUnavailable():
            return throttled(retry_after)
        case _:
            return internal()
