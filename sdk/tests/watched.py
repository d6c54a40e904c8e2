"""A session over the simulated clock, for tests that start it and wait for its end."""

from __future__ import annotations

import time
from typing import Any, Callable, List, Optional

import httpx

from layerwatch_sdk import (
    Client,
    Inspection,
    InspectionSession,
    LayerwatchError,
)
from layerwatch_sdk.testing import ManualClock, picture

Refusal = Callable[..., httpx.Response]
REAL_SECONDS = 10.0  # how long a test waits at most; a passing one takes milliseconds


class Watched:
    """A session over the simulated clock that stops itself after some answers or errors."""

    def __init__(self, client: Client, clock: ManualClock, **settings: Any) -> None:
        self.clock = clock
        self.answers: List[Inspection] = []
        self.errors: List[LayerwatchError] = []
        self.taken = 0
        self.until_answers = 1
        self.until_errors = 1000
        self.on_image: Callable[[], Any] = lambda: picture(self.taken)
        self.on_state: Optional[Callable[[Inspection], None]] = None
        self.session = InspectionSession(client, self._image, self._state, self._error, **settings)

    def run(self, answers: int = 1, errors: int = 1000) -> Watched:
        self.until_answers, self.until_errors = answers, errors
        self.session.start()
        assert self.session.wait(REAL_SECONDS), "the session did not end"
        return self

    def _image(self) -> Any:
        self.taken += 1
        return self.on_image()

    def _state(self, inspection: Inspection) -> None:
        self.answers.append(inspection)
        if len(self.answers) >= self.until_answers:
            self.session.stop()
        if self.on_state is not None:
            self.on_state(inspection)

    def _error(self, error: LayerwatchError) -> None:
        self.errors.append(error)
        if len(self.errors) >= self.until_errors:
            self.session.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + REAL_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def process_times(wire: Any) -> List[float]:
    return [at for at, request in zip(wire.at, wire.requests) if "/process/" in request.url.path]
