"""The Layerwatch client: open a context for a print, send pictures, act on the answer.

`Client` and `AsyncClient` make single calls; `InspectionSession` and `AsyncInspectionSession` watch a whole
print. Errors are drawn in `layerwatch_sdk.errors`. The package logs to "layerwatch_sdk".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from layerwatch_sdk import moved
from layerwatch_sdk.client import Client
from layerwatch_sdk.clock import AcceleratedClock, AsyncClock, Clock, SystemClock
from layerwatch_sdk.errors import (
    AnswerTimeout,
    ApiError,
    ApiKeyDisabled,
    ApiKeyIpRestricted,
    ArgsParseFailed,
    BackendThrottled,
    BadArgs,
    CallbackError,
    ClientClosed,
    ConnectionFailed,
    ContextLost,
    ContextRateLimited,
    ForeignRefusal,
    FreeUsageLimitReached,
    ImageDecodeFailed,
    InternalError,
    InvalidApiKey,
    InvalidResponse,
    KeyRefused,
    LayerwatchError,
    LimitReached,
    NoAnswer,
    NotJpeg,
    PaymentFailed,
    PictureError,
    PictureTooLarge,
    ServerError,
)
from layerwatch_sdk.models import (
    BedCheck,
    Box,
    Context,
    Detail,
    Feedback,
    HeatMap,
    Inspection,
    LeftOver,
    NextInterval,
    PrintLabels,
    PrintPosition,
    Usage,
)
from layerwatch_sdk.picture import MAX_PICTURE_BYTES
from layerwatch_sdk.retry import Retry
from layerwatch_sdk.session import InspectionSession
from layerwatch_sdk.settings import Timeouts
from layerwatch_sdk.transport import Cancellation
from layerwatch_sdk.version import __version__

if TYPE_CHECKING:
    from layerwatch_sdk.async_client import AsyncClient
    from layerwatch_sdk.async_session import AsyncInspectionSession
    from layerwatch_sdk.gadget import GadgetInspectionSession

__all__ = [
    "MAX_PICTURE_BYTES",
    "AcceleratedClock",
    "AnswerTimeout",
    "ApiError",
    "ApiKeyDisabled",
    "ApiKeyIpRestricted",
    "ArgsParseFailed",
    "AsyncClient",
    "AsyncClock",
    "AsyncInspectionSession",
    "BackendThrottled",
    "BadArgs",
    "BedCheck",
    "Box",
    "CallbackError",
    "Cancellation",
    "Client",
    "ClientClosed",
    "Clock",
    "ConnectionFailed",
    "Context",
    "ContextLost",
    "ContextRateLimited",
    "Detail",
    "Feedback",
    "ForeignRefusal",
    "FreeUsageLimitReached",
    "GadgetInspectionSession",
    "HeatMap",
    "ImageDecodeFailed",
    "Inspection",
    "InspectionSession",
    "InternalError",
    "InvalidApiKey",
    "InvalidResponse",
    "KeyRefused",
    "LayerwatchError",
    "LeftOver",
    "LimitReached",
    "NextInterval",
    "NoAnswer",
    "NotJpeg",
    "PaymentFailed",
    "PictureError",
    "PictureTooLarge",
    "PrintLabels",
    "PrintPosition",
    "Retry",
    "ServerError",
    "SystemClock",
    "Timeouts",
    "Usage",
    "__version__",
]

logging.getLogger("layerwatch_sdk").addHandler(logging.NullHandler())
moved.install()


def __getattr__(name: str) -> Any:
    # asyncio is a third of what importing would cost, and most programs use one of the two clients.
    if name == "AsyncClient":
        from layerwatch_sdk.async_client import AsyncClient

        return AsyncClient
    if name == "AsyncInspectionSession":
        from layerwatch_sdk.async_session import AsyncInspectionSession

        return AsyncInspectionSession
    if name == "GadgetInspectionSession":
        from layerwatch_sdk.gadget import GadgetInspectionSession

        return GadgetInspectionSession
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
