"""Trying what was entered, in bounded time, without doing anything to a printer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Callable

from layerwatch_sdk.clock import AsyncSystemClock
from layerwatch_watcher.setup.target import Target
from layerwatch_watcher.watching import assembly, check_all
from layerwatch_watcher.watching.check import Finding, check_server
from layerwatch_watcher.watching.settings import read, read_file

TRIAL_S = 90.0
"""For the server, one printer and one camera together, or for one channel. An RTSP camera may need 15 s."""

Trial = Callable[[dict[str, Any], Path], AsyncIterator[Finding]]


async def try_printers(values: dict[str, Any], folder: Path) -> AsyncIterator[Finding]:
    """The server, each printer's address and login, and its camera. Raises ConfigError.

    values: of the file.  folder: where relative paths in it start.
    """
    settings = read(values, folder)

    async def findings() -> AsyncIterator[Finding]:
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(assembly.shared_client())
            if settings.server:
                inspector = assembly.open_remote(settings)
                stack.push_async_callback(inspector.close)
                yield await check_server(inspector, settings.server)
            for printer in settings.printers:
                async for finding in check_all.check_printer(printer, client, AsyncSystemClock(), stack):
                    yield finding

    async for finding in _bounded(findings(), "the printer"):
        yield finding


async def try_channels(values: dict[str, Any], folder: Path) -> AsyncIterator[Finding]:
    """A test message with a picture through each channel. Raises ConfigError."""
    async for finding in _bounded(check_all.try_channels(read(values, folder)), "the message"):
        yield finding


def teaching(target: Target, name: str) -> Trial:
    """Has the server remember the empty bed of the printer called `name` in the file that was written."""

    async def taught(values: dict[str, Any], folder: Path) -> AsyncIterator[Finding]:
        settings = read_file(target.path)
        findings = check_all.teach_beds(settings, [name], lambda: assembly.open_remote(settings))
        async for finding in _bounded(findings, "the empty bed"):
            yield finding

    return taught


async def _bounded(findings: AsyncIterator[Finding], subject: str) -> AsyncIterator[Finding]:
    """The findings that are made within `TRIAL_S`, and that there is none, if there is none."""
    news: asyncio.Queue[Finding | None] = asyncio.Queue()

    async def gather() -> None:
        try:
            async for finding in findings:
                news.put_nowait(finding)
        finally:
            news.put_nowait(None)

    task = asyncio.ensure_future(gather())
    timer = asyncio.get_running_loop().call_later(TRIAL_S, task.cancel)
    try:
        while (finding := await news.get()) is not None:
            yield finding
        try:
            await task
        except asyncio.CancelledError:
            yield Finding(subject, False, f"the test did not finish within {TRIAL_S:g} s")
    finally:
        timer.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
