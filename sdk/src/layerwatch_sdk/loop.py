"""A session's rules: when to take a picture, when to send it, what to do when something fails. No I/O.

`InspectionLoop.run()` is a generator of steps. `InspectionSession` carries them out in a thread,
`AsyncInspectionSession` in a task; both follow these rules because they have none of their own:

- a picture is never sent before the last answer's interval has passed, counted from that answer's arrival;
- a new context is opened only at the start and when the service says the old one is lost;
- an outage is waited out, with growing pauses; a picture whose answer may only have been lost on the way is
  sent again under the same idempotency key, so that it is judged and billed once;
- a refused key ends the session; nothing else does.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Deque, Generator, Optional, Tuple

from layerwatch_sdk.errors import (
    ApiKeyIpRestricted,
    BackendThrottled,
    CallbackError,
    ClientClosed,
    ContextLost,
    ContextRateLimited,
    ImageDecodeFailed,
    KeyRefused,
    LayerwatchError,
    LimitReached,
    NoAnswer,
    PaymentFailed,
    PictureError,
    ServerError,
)
from layerwatch_sdk.models import Context, Feedback, Inspection
from layerwatch_sdk.picture import checked_picture
from layerwatch_sdk.retry import jittered
from layerwatch_sdk.steps import (
    Inspect,
    OpenContext,
    SendFeedback,
    Step,
    TakePicture,
    TellError,
    TellState,
    Wait,
)

log = logging.getLogger("layerwatch_sdk")

# Seconds. Chosen, not tuned.
SERVICE_RETRY = (5.0, 60.0)
"""Pause after a failed call (which itself tried several times): first and longest."""
CAMERA_RETRY = (5.0, 30.0)
"""Pause after a picture that could not be had or used: first and longest."""
ACCOUNT_RETRY = 300.0
"""Pause after `ACCOUNT_ERRORS` where no time is named: a person has to act first."""
ACCOUNT_ERRORS = (LimitReached, PaymentFailed, ApiKeyIpRestricted)
"""Refusals that have nothing to do with the picture."""
RESEND_MAX_AGE_S = 10.0
"""A picture that certainly was not inspected is sent again up to this age; later, a new one is taken."""
REPEAT_MAX_AGE_S = 60.0
"""A picture whose answer may have been lost is sent again, under the same idempotency key, up to this age."""
MAX_CAMERA_LEAD_S = 5.0
"""A slow camera is read up to this much earlier, so that its picture is ready when it may be sent."""
MIN_INTERVAL_S = 20
"""The API's minimum, used when the service answers "too early" or "too busy" without an interval."""


@dataclass
class Pending:
    """A picture that was taken and has no answer yet."""

    jpeg: bytes
    key: str
    taken_at: float
    unsure: bool = False


class InspectionLoop:
    """The rules, and what they need to remember. Flags may be set from another thread while `run` goes on."""

    def __init__(
        self,
        now: Callable[[], float],
        min_interval: float = 0.0,
        context: Optional[Context] = None,
        first_after: float = 0.0,
    ) -> None:
        if not min_interval >= 0 or not first_after >= 0:
            raise ValueError("min_interval and first_after must be zero or more seconds")
        self.stopping = False
        self.paused = False
        self.context = context
        self.last: Optional[Inspection] = None
        self.error: Optional[LayerwatchError] = None
        self.due = now() + first_after
        self._now = now
        self._min_interval = min_interval
        self._pending: Optional[Pending] = None
        self._lock = threading.Lock()
        self._feedback: Deque[Feedback] = deque()
        self._feedback_due = now()
        self._resumed_reported = True
        self._service_failures = 0
        self._camera_failures = 0
        self._lead = 0.0

    @property
    def due_in(self) -> float:
        """Seconds until the next picture may be sent."""
        return max(0.0, self.due - self._now())

    @property
    def untold(self) -> Tuple[str, ...]:
        """The kinds of feedback that is not yet delivered."""
        with self._lock:
            return tuple(given.kind for given in self._feedback)

    def resume(self, tell: Optional[bool]) -> None:
        """End a pause; by default tell the service `resumed` if it had suggested the pause."""
        if tell or (tell is None and self.paused and not self._resumed_reported):
            self.give_feedback(Feedback("resumed"))
        if tell is not None or self.paused:
            self._resumed_reported = True
        self.paused = False

    def give_feedback(self, given: Feedback) -> None:
        """Have feedback sent before the next picture."""
        with self._lock:
            if given not in list(self._feedback)[-1:]:  # the same twice says no more than once
                self._feedback.append(given)

    def run(self) -> Generator[Step, Any, None]:
        """The steps, until stopped or refused for good."""
        while not self.stopping:
            if self._feedback and self.context is not None and self._now() >= self._feedback_due:
                yield from self._send_feedback(self.context)
            elif self.paused:
                waiting = self._feedback and self.context is not None
                yield Wait(max(0.0, self._feedback_due - self._now()) if waiting else None)
            elif self._now() < self.due - self._lead:
                yield Wait(self.due - self._lead - self._now())
            else:
                yield from self._look()

    def _look(self) -> Generator[Step, Any, None]:
        """One look at the print: context, picture, answer, callback."""
        if self.context is None:
            try:
                self.context = yield OpenContext()
            except LayerwatchError as error:
                yield from self._failed(error)
                return
        pending = yield from self._picture()
        if pending is None:
            return
        while self._now() < self.due and not self.paused and not self.stopping:
            yield Wait(self.due - self._now())
        if self.paused or self.stopping:
            return
        try:
            inspection: Inspection = yield Inspect(self.context, pending.jpeg, pending.key)
        except LayerwatchError as error:
            pending.unsure = pending.unsure or error.maybe_judged
            yield from self._failed(error)
            return
        self._pending = None
        self._service_failures = self._camera_failures = 0
        self.due = inspection.received_at + max(inspection.next_interval.seconds, self._min_interval)
        self.last = inspection
        self._resumed_reported = not inspection.pause_suggested
        yield TellState(inspection)

    def _picture(self) -> Generator[Step, Any, Optional[Pending]]:
        """The picture still waiting for its answer, or a new one, or None."""
        pending = self._pending
        if pending is not None:
            if self._now() - pending.taken_at <= (REPEAT_MAX_AGE_S if pending.unsure else RESEND_MAX_AGE_S):
                return pending
            self._pending = None
        began = self._now()
        try:
            picture = yield TakePicture()
            self._lead = min(self._now() - began, MAX_CAMERA_LEAD_S)
            if picture is None:
                self._camera_pause()
                return None
            jpeg = checked_picture(picture)
        except LayerwatchError as error:
            yield from self._failed(error)
            return None
        except TypeError as error:  # not bytes
            yield from self._failed(CallbackError(f"the image callback failed: {error}", callback="image"))
            return None
        self._pending = Pending(jpeg, str(uuid.uuid4()), self._now())
        return self._pending

    def _failed(self, error: LayerwatchError) -> Generator[Step, Any, None]:
        """Decide what a failure means for the next look, then report it."""
        if isinstance(error, ClientClosed) and self.stopping:
            return
        if isinstance(error, (KeyRefused, ClientClosed)):  # the latter: it was closed under the session
            self.stopping = True
            self.error = error
        elif isinstance(error, (PictureError, CallbackError, ImageDecodeFailed)):
            self._pending = None
            self._camera_pause()
        elif isinstance(error, ContextLost):
            self.context = None
            self._service_failures += 1
            if self._pending is not None:  # another context: the old key means nothing there
                self._pending.key = str(uuid.uuid4())
            if self._service_failures > 1:
                self._service_pause(error)
        else:
            if not isinstance(error, (NoAnswer, ServerError, *ACCOUNT_ERRORS)):
                self._pending = None  # refused for what it is: another picture may pass
            self._service_failures += 1
            self._service_pause(error)
        yield TellError(error)

    def _camera_pause(self) -> None:
        self._camera_failures += 1
        self.due = max(self.due, self._now() + _growing(CAMERA_RETRY, self._camera_failures))

    def _service_pause(self, error: LayerwatchError) -> None:
        wait = _growing(SERVICE_RETRY, self._service_failures)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after)
        elif isinstance(error, (ContextRateLimited, BackendThrottled)):
            interval = self.last.next_interval.minimum if self.last is not None else MIN_INTERVAL_S
            wait = max(wait, interval)
        elif isinstance(error, ACCOUNT_ERRORS):
            wait = ACCOUNT_RETRY
        self.due = max(self.due, self._now() + wait)

    def _send_feedback(self, context: Context) -> Generator[Step, Any, None]:
        given = self._feedback[0]
        try:
            yield SendFeedback(context, given)
        except (NoAnswer, ServerError) as error:
            if not isinstance(error, ContextLost):
                wait = max(error.retry_after or 0.0, SERVICE_RETRY[0])
                self._feedback_due = self._now() + wait
                yield TellError(error)
                return
            self.context = None
            yield TellError(error)
        except LayerwatchError as error:
            if error.status == 404:
                log.info("the service does not accept feedback; %r was not delivered", given.kind)
            elif isinstance(error, (KeyRefused, ClientClosed)):
                yield from self._failed(error)
            else:
                yield TellError(error)
        with self._lock:
            self._feedback.popleft()


def _growing(bounds: Tuple[float, float], failures: int) -> float:
    first, longest = bounds
    return jittered(min(first * 2 ** min(failures - 1, 10), longest), longest)
