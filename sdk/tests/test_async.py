"""The asynchronous client and session follow the same rules, and end when cancelled."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, AsyncIterator, Callable, List

import httpx
import pytest

from layerwatch_sdk import (
    AsyncClient,
    AsyncInspectionSession,
    CallbackError,
    ClientClosed,
    ContextLost,
    Inspection,
    InvalidApiKey,
    LayerwatchError,
    NotJpeg,
)
from layerwatch_sdk.testing import JPEG, KEY, AsyncManualClock, FakeService, picture

Refusal = Callable[..., httpx.Response]


@pytest.fixture
def clock() -> AsyncManualClock:
    return AsyncManualClock()


@pytest.fixture
async def aclient(wire: Any, clock: AsyncManualClock) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(
        KEY, "http://primary.test", clock=clock, transport=httpx.MockTransport(wire)
    ) as client:
        yield client


async def watch(session: AsyncInspectionSession) -> None:
    session.start()
    await asyncio.wait_for(session.wait(), 10)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("waited in vain")


async def test_a_picture_is_judged(aclient: AsyncClient, service: FakeService) -> None:
    context = await aclient.create_context(warning_level=1, pause_level=5)
    inspection = await aclient.process(context, JPEG, detail=True, camera="top")
    await aclient.feedback(context, "false_alarm")
    assert inspection.next_interval.seconds == 20
    assert inspection.detail is not None
    assert service.feedback == [(context.context_id, "false_alarm")]


async def test_errors_and_retries_are_the_same(
    aclient: AsyncClient, wire: Any, refusal: Refusal, service: FakeService
) -> None:
    context = await aclient.create_context()
    wire.script = [httpx.ReadTimeout("lost"), httpx.Response(502)]
    await aclient.process(context, JPEG)
    assert len(set(wire.keys[1:])) == 1
    wire.script = [refusal(500, "OE_INTERNAL_ERROR", "Failed to get context object.")]
    with pytest.raises(ContextLost):
        await aclient.process(context, JPEG)
    with pytest.raises(NotJpeg):
        await aclient.process(context, b"GIF89a")


async def test_a_closed_client_refuses(aclient: AsyncClient) -> None:
    await aclient.close()
    with pytest.raises(ClientClosed):
        await aclient.create_context()


@pytest.mark.parametrize("seed", range(4))
async def test_a_session_over_a_bad_wire(
    aclient: AsyncClient, wire: Any, service: FakeService, seed: int
) -> None:
    print(f"seed {seed}")
    wire.random.seed(seed)
    wire.faults = 0.1 + 0.1 * seed
    taken: List[bytes] = []
    answers: List[Inspection] = []

    async def image() -> bytes:
        taken.append(picture(len(taken)))
        return taken[-1]

    async def state(inspection: Inspection) -> None:
        answers.append(inspection)
        if len(answers) == 150:
            await session.stop()

    session = AsyncInspectionSession(aclient, image, state)
    await watch(session)
    assert session.state == "stopped"
    assert service.early == []
    assert max(Counter(service.billed).values()) == 1
    assert service.judged == taken


async def test_plain_functions_serve_as_callbacks(aclient: AsyncClient, service: FakeService) -> None:
    answers: List[Inspection] = []
    session = AsyncInspectionSession(aclient, lambda: JPEG, answers.append)
    session.start()
    await until(lambda: len(answers) >= 5)
    await session.stop()
    assert session.last is answers[-1]
    assert service.early == []


async def test_a_refused_key_ends_it(aclient: AsyncClient, wire: Any, refusal: Refusal) -> None:
    errors: List[LayerwatchError] = []
    wire.script = [refusal(401, "OE_INVALID_API_KEY")]
    session = AsyncInspectionSession(aclient, lambda: JPEG, None, errors.append)
    await watch(session)
    assert session.state == "failed"
    assert isinstance(session.error, InvalidApiKey)
    assert errors == [session.error]


async def test_failing_callbacks_are_reported_and_the_session_continues(aclient: AsyncClient) -> None:
    errors: List[LayerwatchError] = []
    answers = 0
    broken = [OSError("camera gone")]

    async def image() -> bytes:
        if broken:
            raise broken.pop()
        return JPEG

    async def state(_: Inspection) -> None:
        nonlocal answers
        answers += 1
        if answers == 3:
            await session.stop()
        raise RuntimeError("display broke")

    async def error(failure: LayerwatchError) -> None:
        errors.append(failure)
        raise RuntimeError("this too")

    session = AsyncInspectionSession(aclient, image, state, error)
    await watch(session)
    assert [error.callback for error in errors if isinstance(error, CallbackError)] == ["image"] + [
        "state"
    ] * 3


async def test_pause_resume_and_feedback(aclient: AsyncClient, service: FakeService) -> None:
    service.extra = {"PauseSuggested": True}
    answers: List[Inspection] = []

    def state(inspection: Inspection) -> None:
        answers.append(inspection)
        session.pause()

    session = AsyncInspectionSession(aclient, lambda: JPEG, state)
    session.start()
    await until(lambda: session.state == "paused")
    session.feedback("false_alarm")
    await until(lambda: bool(service.feedback))
    assert len(answers) == 1
    session.resume()
    await until(lambda: len(answers) >= 2)
    await session.stop()
    assert [kind for _, kind in service.feedback] == ["false_alarm", "resumed"]
    assert service.early == []


async def test_stop_ends_a_call_under_way_and_leaves_no_task(service: FakeService) -> None:
    asked = asyncio.Event()

    async def hang(request: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.sleep(3600)
        raise AssertionError

    before = len(asyncio.all_tasks())
    async with AsyncClient(KEY, transport=httpx.MockTransport(hang)) as client:
        session = AsyncInspectionSession(client, lambda: JPEG)
        session.start()
        await asyncio.wait_for(asked.wait(), 5)
        await asyncio.wait_for(session.stop(), 5)
    assert session.state == "stopped"
    assert len(asyncio.all_tasks()) == before


async def test_starts_once_and_stops_before_the_start(aclient: AsyncClient) -> None:
    async with AsyncInspectionSession(aclient, lambda: JPEG) as session:
        with pytest.raises(RuntimeError, match="starts once"):
            session.start()
    unstarted = AsyncInspectionSession(aclient, lambda: JPEG)
    await unstarted.stop()
    with pytest.raises(RuntimeError):
        unstarted.start()


async def test_the_key_is_in_no_repr(aclient: AsyncClient) -> None:
    assert KEY not in repr(aclient) + repr(AsyncInspectionSession(aclient, lambda: JPEG))
