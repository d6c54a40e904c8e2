"""Waiting ends: with what was waited for, when time is up, and when it is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from layerwatch_watcher.waiting import within


async def given(after: float) -> str:
    await asyncio.sleep(after)
    return "given"


async def test_what_comes_in_time_is_given() -> None:
    assert await within(given(0), 5) == "given"
    assert await within(given(0), None) == "given"


async def test_what_fails_in_time_fails() -> None:
    async def failing() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await within(failing(), 5)


async def test_what_comes_too_late_is_ended() -> None:
    ended = asyncio.Event()

    async def late() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(asyncio.TimeoutError):
        await within(late(), 0.01)
    assert ended.is_set()


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancellation_is_never_lost(turns: int) -> None:
    """Whatever turn of the event loop it comes in, before, with or after what is waited for."""
    started = asyncio.Event()
    waits = 0

    async def for_ever() -> None:
        nonlocal waits
        while True:
            await within(started.wait(), 60)
            started.clear()
            waits += 1

    task = asyncio.ensure_future(for_ever())
    for _ in range(5):
        await asyncio.sleep(0)
    started.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()
    assert waits <= 1
