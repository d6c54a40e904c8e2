"""The steps of a session: what its rules ask the program to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

from layerwatch_sdk.errors import (
    LayerwatchError,
)
from layerwatch_sdk.models import Context, Feedback, Inspection


class OpenContext:
    """Step: create a context."""


class TakePicture:
    """Step: call the image callback."""


@dataclass(frozen=True)
class Inspect:
    """Step: have a picture judged."""

    context: Context
    jpeg: bytes
    idempotency_key: str


@dataclass(frozen=True)
class SendFeedback:
    """Step: send what a person says of the print."""

    context: Context
    given: Feedback


@dataclass(frozen=True)
class TellState:
    """Step: call the state callback."""

    inspection: Inspection


@dataclass(frozen=True)
class TellError:
    """Step: call the error callback."""

    error: LayerwatchError


@dataclass(frozen=True)
class Wait:
    """Step: wait this long, or, if None, until woken. May end early: the loop looks again."""

    seconds: Optional[float]


Step = Union[OpenContext, TakePicture, Inspect, SendFeedback, TellState, TellError, Wait]
