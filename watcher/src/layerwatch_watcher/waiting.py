"""Bounded waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Optional, TypeVar

from layerwatch_sdk.clock import AsyncClock

T = TypeVar("T")


async def within(awaited: Awaitable[T], seconds: Optional[float], clock: Optional[AsyncClock] = None) -> T:
    """The result of `awaited`, which is cancelled after `seconds`.

    As `asyncio.wait_for`, but a caller that is cancelled while waiting ends: up to Python 3.11, `wait_for`
    forgets a cancellation that comes in the same turn of the event loop as the result, and a task that is
    cancelled only once then runs on forever. clock: counts the seconds; the event loop's own by default.
    Raises asyncio.TimeoutError.
    """
    task = asyncio.ensure_future(awaited)
    waiting: set[asyncio.Future[Any]] = {task}
    timer: Optional[asyncio.Future[None]] = None
    if clock is not None and seconds is not None:
        timer = asyncio.ensure_future(clock.sleep(seconds))
        waiting.add(timer)
        seconds = None
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _end(task)
        raise
    finally:
        if timer is not None:
            await _end(timer)
    if task.done():
        return task.result()
    await _end(task)
    if task.cancelled():
        raise asyncio.TimeoutError
    return task.result()


async def _end(task: asyncio.Future[Any]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # read, so that asyncio does not report it
