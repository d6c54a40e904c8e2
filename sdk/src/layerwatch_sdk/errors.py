"""Everything that can go wrong, as a tree: catch as wide or as narrow as you need.

::

    LayerwatchError
    ├── PictureError                 the picture was refused here, before sending (also a ValueError)
    │   ├── NotJpeg
    │   └── PictureTooLarge
    ├── CallbackError                a callback given to a session failed
    ├── ClientClosed                 the client was closed, or its call was cancelled
    ├── NoAnswer                     no usable answer came: try again, with the same idempotency key
    │   ├── ConnectionFailed         not reached, or cut off in the middle
    │   ├── AnswerTimeout            reached, but no answer in time
    │   └── InvalidResponse          something answered, but not as the contract says (a proxy, mostly)
    │       └── ForeignRefusal       a 401 or 403 that the service did not write: says nothing of the key
    └── ApiError                     the service answered with {"ErrorType", "ErrorDetails"}
        ├── BadArgs                  OE_BAD_ARGS
        ├── ArgsParseFailed          OE_ARGS_PARSE_FAILED
        ├── ImageDecodeFailed        OE_IMAGE_DECODE_FAILED
        ├── KeyRefused               final: no later call with this key will do better
        │   ├── InvalidApiKey        OE_INVALID_API_KEY
        │   └── ApiKeyDisabled       OE_API_KEY_DISABLED
        ├── ApiKeyIpRestricted       OE_API_KEY_IP_RESTRICTED: a good key, from a wrong address
        ├── PaymentFailed            OE_API_KEY_BLOCKED_PAYMENT_FAILED
        ├── LimitReached             wait for `retry_after`
        │   ├── FreeUsageLimitReached    OE_FREE_USAGE_LIMIT_REACHED
        │   └── ContextRateLimited       OE_CONTEXT_RATE_LIMITED
        └── ServerError              the service's own fault: try again later
            ├── BackendThrottled     OE_BACKEND_THROTTLED
            └── InternalError        OE_INTERNAL_ERROR
                └── ContextLost      unknown, expired or foreign context: open a new one

An ErrorType this version does not know is a `ServerError` when the status is 500 or more, else a plain
`ApiError`; its name is in `error_type`.
"""

from __future__ import annotations

from typing import Dict, Optional, Type

CONTEXT_LOST_DETAILS = "Failed to get context object."
"""With status 500 and OE_INTERNAL_ERROR, the one answer that means: open a new context."""


class LayerwatchError(Exception):
    """The root of every error this package raises on purpose.

    status: the HTTP status, or None where no answer came.
    retry_after: seconds the service asked to wait (0 or more), or None where it did not say.
    request_id: the answer's X-Request-Id, or None; name it when you ask the operator for help.
    maybe_judged: whether some try of the call got no answer, so that the picture may have been judged and
        billed all the same. Repeating it with the same idempotency key then costs nothing and loses nothing.
    address: scheme, host and port that the call was sent to last, or None before any was.
    """

    def __init__(
        self,
        message: str,
        *,
        status: Optional[int] = None,
        retry_after: Optional[float] = None,
        request_id: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id
        self.maybe_judged = False
        self.address: Optional[str] = None


class PictureError(LayerwatchError, ValueError):
    """The picture cannot be sent: mend or replace it. Nothing was sent, nothing is billed."""


class NotJpeg(PictureError):
    """The bytes do not start as a JPEG does."""


class PictureTooLarge(PictureError):
    """The picture is larger than the service takes (6,291,456 bytes)."""


class CallbackError(LayerwatchError):
    """A session's callback raised, or returned what it must not. `__cause__` is what it raised."""

    def __init__(self, message: str, *, callback: str) -> None:
        super().__init__(message)
        self.callback = callback


class ClientClosed(LayerwatchError):
    """The client is closed, or the call was cancelled by stopping its session."""


class NoAnswer(LayerwatchError):
    """No usable answer came. The service may or may not have judged the picture: repeat with the same key."""


class ConnectionFailed(NoAnswer):
    """The service was not reached, or the connection broke."""


class AnswerTimeout(NoAnswer):
    """The service did not answer in time."""


class InvalidResponse(NoAnswer):
    """An answer came that is not the contract's: HTML, cut JSON, a field missing or of the wrong type."""


class ForeignRefusal(InvalidResponse):
    """A 401 or 403 without the contract's error object: a proxy or a captive portal, not a bad key."""


class ApiError(LayerwatchError):
    """The service refused or failed, in its own words.

    error_type: the contract's ErrorType, also one that this version does not know.
    details: the contract's ErrorDetails: what is wrong and how to mend it.
    """

    def __init__(
        self,
        error_type: str,
        details: str,
        *,
        status: int,
        retry_after: Optional[float] = None,
        request_id: Optional[str] = None,
    ) -> None:
        super().__init__(
            f"{error_type} ({status}): {details}",
            status=status,
            retry_after=retry_after,
            request_id=request_id,
        )
        self.error_type = error_type
        self.details = details


class BadArgs(ApiError):
    """A value is missing, invalid or too large."""


class ArgsParseFailed(ApiError):
    """The service could not parse the JSON body."""


class ImageDecodeFailed(ApiError):
    """The picture is not a JPEG that can be decoded whole. Not billed."""


class KeyRefused(ApiError):
    """The API key is not valid, and waiting does not help."""


class InvalidApiKey(KeyRefused):
    """The API key is missing or unknown."""


class ApiKeyDisabled(KeyRefused):
    """The API key was disabled. A disabled key is never enabled again: make a new one."""


class ApiKeyIpRestricted(ApiError):
    """The account does not allow this key from the caller's address. From an allowed address it works."""


class PaymentFailed(ApiError):
    """The account has an outstanding balance; pictures are judged again once it is paid."""


class LimitReached(ApiError):
    """A limit of the account or the print. Wait for `retry_after`."""


class FreeUsageLimitReached(LimitReached):
    """The free allowance is used up."""


class ContextRateLimited(LimitReached):
    """This print's next picture came sooner than the last answer said."""


class ServerError(ApiError):
    """The service's own fault. Not billed; try again later."""


class BackendThrottled(ServerError):
    """The service is too busy now. Try again after `retry_after`."""


class InternalError(ServerError):
    """Anything that went wrong inside the service."""


class ContextLost(InternalError):
    """The context is unknown, expired or another account's. Open a new one."""


BY_TYPE: Dict[str, Type[ApiError]] = {
    "OE_BAD_ARGS": BadArgs,
    "OE_ARGS_PARSE_FAILED": ArgsParseFailed,
    "OE_IMAGE_DECODE_FAILED": ImageDecodeFailed,
    "OE_INVALID_API_KEY": InvalidApiKey,
    "OE_API_KEY_DISABLED": ApiKeyDisabled,
    "OE_API_KEY_IP_RESTRICTED": ApiKeyIpRestricted,
    "OE_API_KEY_BLOCKED_PAYMENT_FAILED": PaymentFailed,
    "OE_FREE_USAGE_LIMIT_REACHED": FreeUsageLimitReached,
    "OE_CONTEXT_RATE_LIMITED": ContextRateLimited,
    "OE_BACKEND_THROTTLED": BackendThrottled,
    "OE_INTERNAL_ERROR": InternalError,
}
"""The contract's ErrorTypes and their classes."""


def api_error(
    error_type: str,
    details: str,
    *,
    status: int,
    retry_after: Optional[float] = None,
    request_id: Optional[str] = None,
) -> ApiError:
    """The exception for an error object of the contract, of the class its ErrorType names.

    `ContextLost` only for the exact triple of status, type and details.
    """
    kind = BY_TYPE.get(error_type)
    if kind is None:
        kind = ServerError if status >= 500 else ApiError
    elif kind is InternalError and status == 500 and details == CONTEXT_LOST_DETAILS:
        kind = ContextLost
    return kind(error_type, details, status=status, retry_after=retry_after, request_id=request_id)
