"""Doing things to a printer, and seeing that they happened.

"Accepted" is not the deed, and a lost answer is no refusal: after ordering, the printer's state is read until
it is so, or until a limit passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Awaitable, Callable, Optional

from layerwatch_sdk.clock import AsyncClock
from layerwatch_watcher.printers.base import NotSupported, Printer, PrinterError, PrinterStatus
from layerwatch_watcher.waiting import within

CONFIRM_S = 60.0
"""A pause must show in the printer's state by then. Klipper's PAUSE macro may park the head first."""
CONFIRM_EVERY_S = 1.0
RESEND_ORDER_S = 25.0
"""An order without effect by then, accepted or unanswered, is sent once more: it may have been lost."""
REFUSAL_CONFIRM_S = 3.0
"""How long the state is read after a refusal: someone may have stopped the print by hand."""
HEATERS_CONFIRM_S = 30.0
"""All targets must read 0 by then. Klipper's switch waits for the macro that is running."""
COMMAND_S = 60.0
"""A command of the user's that runs longer is ended."""

Read = Callable[[], Awaitable[PrinterStatus]]
"""Reads the printer's state. Raises PrinterError."""


class ActionFailed(Exception):
    """The action was tried and is not known to have worked. The message says why.

    hint: what the user can do.  known: True if it surely did not happen, False if that could not be seen.
    refused: whether the printer refused.
    """

    def __init__(self, what: str, hint: str = "", *, known: bool = True, refused: bool = False) -> None:
        super().__init__(what)
        self.hint = hint
        self.known = known
        self.refused = refused


async def pause(printer: Printer, read: Read, clock: AsyncClock) -> PrinterStatus:
    """Pause; gives the state that shows it, or that the print has ended meanwhile. Raises ActionFailed."""
    return await _order(
        printer.pause, read, lambda now: now.state.standing or not now.state.in_print, clock, "pause"
    )


async def resume(printer: Printer, read: Read, clock: AsyncClock) -> PrinterStatus:
    """Go on with a paused print; gives the state that shows it, or that it has ended. Raises ActionFailed."""
    return await _order(printer.resume, read, lambda now: not now.state.standing, clock, "resume")


async def cancel(printer: Printer, read: Read, clock: AsyncClock) -> PrinterStatus:
    """End the print for good; gives the state that shows it. Raises ActionFailed."""
    return await _order(printer.cancel, read, lambda now: not now.state.in_print, clock, "cancel")


async def _order(
    command: Callable[[], Awaitable[None]],
    read: Read,
    happened: Callable[[PrinterStatus], bool],
    clock: AsyncClock,
    word: str,
) -> PrinterStatus:
    began = clock.monotonic()
    until = began + CONFIRM_S
    ordering: asyncio.Future[None] = asyncio.ensure_future(command())
    answer: Optional[PrinterError] = None
    repeated = refused = False
    try:
        while True:
            with contextlib.suppress(asyncio.TimeoutError, PrinterError):
                await within(asyncio.shield(ordering), CONFIRM_EVERY_S, clock)
            if ordering.done():
                answer = _error_of(ordering)
                if answer is not None and answer.refused and not refused:
                    refused, until = True, clock.monotonic() + REFUSAL_CONFIRM_S
            unread: Optional[PrinterError] = None
            try:
                status = await read()
            except PrinterError as error:
                unread = error
            else:
                if happened(status):
                    return status
            now = clock.monotonic()
            if now >= until:
                raise _failure(word, answer, unread, now - began, answered=ordering.done())
            if not ordering.done():
                continue
            if not refused and not repeated and now >= began + RESEND_ORDER_S:
                repeated = True
                ordering = asyncio.ensure_future(command())
                continue
            await clock.sleep(CONFIRM_EVERY_S)
    finally:
        ordering.cancel()
        await asyncio.gather(ordering, return_exceptions=True)


def _error_of(ordering: asyncio.Future[None]) -> Optional[PrinterError]:
    try:
        ordering.result()
    except PrinterError as error:
        return error
    return None


def _failure(
    word: str,
    answer: Optional[PrinterError],
    unread: Optional[PrinterError],
    waited: float,
    *,
    answered: bool,
) -> ActionFailed:
    """Why an order is not known to have been carried out, in words that claim no more than was seen."""
    if answer is not None and answer.refused:
        return ActionFailed(str(answer), answer.hint, known=unread is None, refused=True)
    if unread is not None:
        hint = (answer.hint if answer is not None else "") or unread.hint or "check the printer"
        return ActionFailed(
            f"the {word} was sent, but the printer's state cannot be read: {unread}", hint, known=False
        )
    still = "paused" if word == "resume" else "printing"
    if answer is not None:
        return ActionFailed(f"{answer}, and the print is still {still}", answer.hint)
    did = f"accepted the {word} but" if answered else f"has not answered the {word}, and"
    return ActionFailed(
        f"the printer {did} is still {still} after {waited:.0f} s",
        "check the printer; a macro may be waiting for input",
    )


async def gcode(printer: Printer, lines: Sequence[str]) -> None:
    """Run G-code. Raises ActionFailed."""
    try:
        await printer.gcode(lines)
    except PrinterError as error:
        raise ActionFailed(str(error), error.hint, known=error.refused, refused=error.refused) from None


async def heaters_off(printer: Printer, clock: AsyncClock) -> Optional[Mapping[str, float]]:
    """Switch every tool and the bed off, and read their targets back: all 0, or None if they cannot be read.

    Raises ActionFailed, naming the heaters that are still on.
    """
    until = clock.monotonic() + HEATERS_CONFIRM_S
    ordering: asyncio.Future[None] = asyncio.ensure_future(printer.heaters_off())
    try:
        while True:
            with contextlib.suppress(asyncio.TimeoutError, PrinterError):
                await within(asyncio.shield(ordering), CONFIRM_EVERY_S, clock)
            answer = _error_of(ordering) if ordering.done() else None
            targets, unread = await _targets(printer)
            hot = {name: target for name, target in (targets or {}).items() if target > 0}
            if targets is not None and not hot:
                return targets
            if answer is not None and answer.refused:
                raise ActionFailed(str(answer), answer.hint, known=bool(hot), refused=True) from answer
            late = clock.monotonic() >= until
            if targets is not None:
                if late:
                    still = ", ".join(
                        f"{name} is still set to {target:.0f} °C" for name, target in hot.items()
                    )
                    raise ActionFailed(still, answer.hint if answer is not None else "")
            elif isinstance(unread, NotSupported) and ordering.done():
                if answer is not None:
                    raise ActionFailed(str(answer), answer.hint, known=False)
                return None
            elif late:
                raise ActionFailed(
                    f"the heater targets cannot be read: {unread or answer}",
                    "check the printer",
                    known=False,
                )
            await clock.sleep(CONFIRM_EVERY_S)
    finally:
        ordering.cancel()
        await asyncio.gather(ordering, return_exceptions=True)


async def _targets(printer: Printer) -> tuple[Optional[Mapping[str, float]], Optional[PrinterError]]:
    try:
        return await printer.heater_targets(), None
    except PrinterError as error:
        return None, error


async def command(
    arguments: Sequence[str], values: Mapping[str, str], picture: Optional[bytes] = None
) -> None:
    """Run a program of the user's, without a shell, the picture on its standard input.

    values: put into its environment as LAYERWATCH_NAME=value.
    """
    environment = {**os.environ, **{f"LAYERWATCH_{name.upper()}": value for name, value in values.items()}}
    for secret in ("LAYERWATCH_KEY", "LAYERWATCH_API_KEY"):
        environment.pop(secret, None)
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
    except OSError as error:
        raise ActionFailed(f"{arguments[0]} cannot be run: {error.strerror}") from None
    try:
        _, output = await within(process.communicate(picture or b""), COMMAND_S)
    except asyncio.TimeoutError:
        raise ActionFailed(f"{arguments[0]} ran longer than {COMMAND_S:g} s and was ended") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        last = output.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ActionFailed(
            f"{arguments[0]} ended with code {process.returncode}" + "".join(f": {s}" for s in last)
        )
