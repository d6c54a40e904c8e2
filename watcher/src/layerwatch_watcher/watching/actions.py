"""Doing things to a printer: pause and see that it paused, cancel, G-code, a command, the heaters off."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Optional

from layerwatch_sdk.clock import AsyncClock
from layerwatch_watcher.printers.base import HEATERS_OFF, Printer, PrinterError, PrinterStatus
from layerwatch_watcher.waiting import within

CONFIRM_SECONDS = 30.0
"""A pause must show in the printer's status by then. Klipper's PAUSE macro may park the head first."""
CONFIRM_EVERY = 1.0
COMMAND_SECONDS = 60.0
"""A command of the user's that runs longer is ended."""


class ActionFailed(Exception):
    """The action was tried and did not work. The message says why."""


async def pause(printer: Printer, clock: AsyncClock) -> PrinterStatus:
    """Pause, and give the status that shows it. Asked a second time if the first had no effect."""
    for _ in range(2):
        try:
            await printer.pause()
        except PrinterError as error:
            raise ActionFailed(str(error)) from None
        standing = await _standing(printer, clock)
        if standing is not None:
            return standing
    raise ActionFailed("the printer took the pause, but goes on printing")


async def _standing(printer: Printer, clock: AsyncClock) -> Optional[PrinterStatus]:
    until = clock.monotonic() + CONFIRM_SECONDS
    while True:
        # A status that fails is no news of the print.
        with contextlib.suppress(PrinterError):
            status = await printer.status()
            if status.state.standing or not status.state.in_print:
                return status
        if clock.monotonic() >= until:
            return None
        await clock.sleep(CONFIRM_EVERY)


async def cancel(printer: Printer) -> None:
    """End the print for good."""
    try:
        await printer.cancel()
    except PrinterError as error:
        raise ActionFailed(str(error)) from None


async def gcode(printer: Printer, lines: Sequence[str]) -> None:
    """Run G-code."""
    try:
        await printer.gcode(lines)
    except PrinterError as error:
        raise ActionFailed(str(error)) from None


async def heaters_off(printer: Printer) -> None:
    """Switch hotend and bed off."""
    await gcode(printer, HEATERS_OFF)


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
        _, said = await within(process.communicate(picture or b""), COMMAND_SECONDS)
    except asyncio.TimeoutError:
        raise ActionFailed(f"{arguments[0]} ran longer than {COMMAND_SECONDS:g} s and was ended") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ActionFailed(
            f"{arguments[0]} ended with code {process.returncode}" + "".join(f": {s}" for s in last)
        )
