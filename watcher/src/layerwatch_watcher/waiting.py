"""Waiting for something, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Optional, TypeVar

T = TypeVar("T")


async def within(awaited: Awaitable[T], seconds: Optional[float]) -> T:
    """What `awaited` gives, if it gives it within so many seconds; then it is cancelled.

    As `asyncio.wait_for`, but whoever is cancelled while waiting ends: up to Python 3.11, `wait_for` forgets
    a cancellation that comes in the same turn of the event loop as the result, and a task that is told to
    stop only once then runs on for ever. Raises asyncio.TimeoutError.
    """
    task = asyncio.ensure_future(awaited)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _end(task)
        raise
    if task.done():
        return task.result()
    await _end(task)
    if task.cancelled():
        raise asyncio.TimeoutError
    return task.result()


async def _end(task: asyncio.Future[T]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # looked at, so that nobody is told of it
