"""A link to a printer that is kept up: connected again after every break, the last trouble remembered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Awaitable, Callable, MutableMapping, Optional

from layerwatch_watcher.printers.base import PrinterError, PrinterSetupError
from layerwatch_watcher.waiting import within

FIRST_RETRY_S, MAX_RETRY_S = 1.0, 60.0
"""Seconds before connecting again, doubled at every failure. Chosen, not tuned."""

log = logging.getLogger("layerwatch_watcher")


class LiveLink:
    """Runs `serve` again and again in a task of its own.

    serve: connects, calls `up()` once data are there, and returns or raises PrinterError when the link ends.
    silence: what it means that no data have come, if that is known better than "does not answer".
    """

    def __init__(
        self,
        name: str,
        serve: Callable[[], Awaitable[None]],
        silence: Callable[[], Optional[PrinterError]] = lambda: None,
    ) -> None:
        self._name = name
        self._serve = serve
        self._silence = silence
        self._task: Optional[asyncio.Task[None]] = None
        self._known: Optional[asyncio.Event] = None  # the first outcome, good or bad
        self._trouble: Optional[PrinterError] = None
        self._failures = 0

    def up(self) -> None:
        """The link is up and has data."""
        self._failures = 0
        self._trouble = None
        if self._known is not None:
            self._known.set()

    async def ready(self, patience: float = 10.0) -> None:
        """Start the link at the first call; wait until it is up. Raises PrinterError with what is wrong."""
        if self._task is None or self._known is None:
            self._known = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            await within(self._known.wait(), patience)
        except asyncio.TimeoutError:
            raise self._silence() or PrinterError(
                f"{self._name} does not answer", "see that it is switched on and in the same network"
            ) from None
        if self._trouble is not None:
            raise self._trouble

    def broke_off(self, answers: MutableMapping[Any, asyncio.Future[Any]]) -> None:
        """Fail the pending answers: their waiters raise PrinterError."""
        for answer in answers.values():
            if not answer.done():
                answer.set_exception(PrinterError(f"{self._name} closed the connection"))
                answer.exception()  # mark as retrieved, so that asyncio does not log it
        answers.clear()

    async def _run(self) -> None:
        while True:
            try:
                await self._serve()
                trouble = PrinterError(f"{self._name} ended the connection")
            except PrinterError as error:
                trouble = error
            except Exception as error:  # a mistake of ours must not end the link in silence
                log.exception("the link to %s broke", self._name)
                trouble = PrinterError(f"the link to {self._name} broke: {type(error).__name__}")
            self._trouble = trouble
            if self._known is not None:
                self._known.set()
            self._failures += 1
            pause = min(FIRST_RETRY_S * 2 ** min(self._failures - 1, 10), MAX_RETRY_S)
            if isinstance(trouble, PrinterSetupError):
                pause = MAX_RETRY_S  # a refused login, repeated often, locks some printers
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """End the link."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
