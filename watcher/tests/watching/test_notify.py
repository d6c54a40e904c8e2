"""Notifications are signed, retried, held during quiet hours, and carry the picture."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watcher.tests.stand_ins.events import PICTURE, event
from watcher.tests.stand_ins.judge import WARN, inspection
from watcher.tests.stand_ins.serve import serving

from layerwatch_sdk.webhook_signature import HEADER, verify
from layerwatch_watcher.notifications import DeliveryError, Dispatcher, Event, Kind, QuietHours
from layerwatch_watcher.notifications.dispatch import deliver
from layerwatch_watcher.notifications.event import DEFAULT_KINDS
from layerwatch_watcher.notifications.pictures import MAX_BYTES, MAX_SIDE, fitted
from layerwatch_watcher.notifications.webhook import Webhook
from layerwatch_watcher.watching.check_all import try_channels
from layerwatch_watcher.watching.settings import read


class Receiver:
    """A webhook's other end, which answers what the test says."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.answers.pop(0) if self.answers else 200
        return httpx.Response(status, headers={"Location": "http://elsewhere/"} if status == 302 else {})

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


async def test_a_webhook_carries_the_event_the_picture_and_a_true_signature() -> None:
    receiver = Receiver()
    hook = Webhook("https://example.org/hook", secret="s3", client=receiver.client(), now=lambda: 1000.0)
    await hook.send(event())
    (request,) = receiver.requests
    body = json.loads(request.content)
    assert body["event"] == "paused"
    assert body["inspection"] == {
        "quality": 1,
        "score": 97,
        "warning": True,
        "pause": True,
        "kind": "spaghetti",
        "condition": "ok",
    }
    assert base64.b64decode(body["picture"]) == PICTURE
    verify("s3", request.content, request.headers[HEADER], now=1010)


@pytest.mark.parametrize(
    ("status", "again"), [(500, True), (429, True), (404, False), (410, False), (302, False)]
)
async def test_temporary_refusals_are_distinguished_from_permanent_ones(status: int, again: bool) -> None:
    receiver = Receiver(status)
    with pytest.raises(DeliveryError) as caught:
        await Webhook("https://example.org/hook", client=receiver.client()).send(event())
    assert caught.value.again is again
    assert len(receiver.requests) == 1, "a redirect is not followed"


class Recorder:
    """A channel that records its events and fails the configured number of times."""

    name = "recorder"

    def __init__(self, failures: int = 0, kinds: frozenset[Kind] = DEFAULT_KINDS) -> None:
        self.failures = failures
        self.kinds = kinds
        self.got: list[Event] = []
        self.tries = 0

    async def send(self, event: Event) -> None:
        self.tries += 1
        if self.failures:
            self.failures -= 1
            raise DeliveryError("not now")
        self.got.append(event)

    async def close(self) -> None:
        pass


class LocalTime:
    def __init__(self, text: str) -> None:
        self.now = datetime.fromisoformat(f"2026-01-10T{text}:00")

    def __call__(self) -> datetime:
        return self.now


async def delivered(dispatcher: Dispatcher) -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def no_sleep(seconds: float) -> None:
    if seconds >= 30:  # the dispatcher's own round; the test says when
        await asyncio.Event().wait()
    await asyncio.sleep(0)


async def test_a_failed_delivery_is_tried_again() -> None:
    channel = Recorder(failures=3)
    dispatcher = Dispatcher([channel], sleep=no_sleep)
    dispatcher.start()
    dispatcher.tell(event())
    await delivered(dispatcher)
    assert len(channel.got) == 1 and channel.tries == 4
    await dispatcher.close()


async def test_a_channel_that_hangs_hangs_alone() -> None:
    class Hanging(Recorder):
        async def send(self, event: Event) -> None:
            await asyncio.Event().wait()

    hanging, well = Hanging(), Recorder()
    dispatcher = Dispatcher([hanging, well], sleep=no_sleep)
    dispatcher.start()
    dispatcher.tell(event())
    await delivered(dispatcher)
    assert len(well.got) == 1
    await dispatcher.close(patience=0.01)


async def test_a_channel_gets_what_it_asked_for() -> None:
    channel = Recorder(kinds=frozenset({Kind.PAUSED}))
    dispatcher = Dispatcher([channel], sleep=no_sleep)
    dispatcher.start()
    dispatcher.tell(event(Kind.WARNING))
    dispatcher.tell(event(Kind.PAUSED))
    await delivered(dispatcher)
    assert [one.kind for one in channel.got] == [Kind.PAUSED]
    await dispatcher.close()


async def test_at_night_only_what_is_urgent_goes_out_and_the_rest_comes_in_the_morning_as_one() -> None:
    channel, clock = Recorder(), LocalTime("23:30")
    dispatcher = Dispatcher([channel], quiet=QuietHours.parse("22:00-07:00"), now=clock, sleep=no_sleep)
    dispatcher.start()
    dispatcher.tell(event(Kind.WARNING, "may be failing"))
    dispatcher.tell(event(Kind.PAUSED))
    dispatcher.tell(event(Kind.CAMERA_TROUBLE, "not watched"))
    dispatcher.release_due()
    await delivered(dispatcher)
    assert [one.kind for one in channel.got] == [Kind.PAUSED]
    clock.now += timedelta(hours=8)
    dispatcher.release_due()
    await delivered(dispatcher)
    assert channel.got[1].kind is Kind.DIGEST
    assert "may be failing" in channel.got[1].text and "not watched" in channel.got[1].text
    assert channel.got[1].picture == PICTURE
    await dispatcher.close()


async def test_a_digest_puts_an_hour_together() -> None:
    channel, clock = Recorder(), LocalTime("12:00")
    dispatcher = Dispatcher([channel], digest=timedelta(hours=1), now=clock, sleep=no_sleep)
    dispatcher.start()
    for number in range(3):
        dispatcher.tell(event(Kind.WARNING, f"warning {number}"))
    clock.now += timedelta(minutes=59)
    dispatcher.release_due()
    await delivered(dispatcher)
    assert channel.got == []
    clock.now += timedelta(minutes=1)
    dispatcher.release_due()
    await delivered(dispatcher)
    assert len(channel.got) == 1 and "warning 2" in channel.got[0].text
    await dispatcher.close()


async def test_a_single_held_event_comes_as_itself() -> None:
    channel, clock = Recorder(), LocalTime("06:59")
    dispatcher = Dispatcher([channel], quiet=QuietHours.parse("22:00-07:00"), now=clock, sleep=no_sleep)
    dispatcher.start()
    dispatcher.tell(event(Kind.WARNING, "may be failing", text=""))
    clock.now += timedelta(minutes=1)
    dispatcher.release_due()
    await delivered(dispatcher)
    assert [one.kind for one in channel.got] == [Kind.WARNING]
    await dispatcher.close()


@pytest.mark.parametrize(
    ("hours", "moment", "quiet"),
    [
        ("22:00-07:00", "23:00", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("12:00-14:00", "13:00", True),
        ("12:00-14:00", "14:00", False),
    ],
)
def test_quiet_hours_may_go_over_midnight(hours: str, moment: str, quiet: bool) -> None:
    assert QuietHours.parse(hours).covers(LocalTime(moment)()) is quiet


@pytest.mark.parametrize("text", ["", "22-7", "22:00", "25:00-07:00", "07:00-07:00"])
def test_quiet_hours_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        QuietHours.parse(text)


async def test_closing_delivers_what_waits() -> None:
    channel = Recorder(failures=1)
    dispatcher = Dispatcher([channel], sleep=no_sleep)
    dispatcher.start()
    dispatcher.tell(event())
    await dispatcher.close()
    assert len(channel.got) == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_webhook_that_refuses_the_picture_gets_the_text_alone_at_once(status: int) -> None:
    receiver = Receiver(status)
    assert await deliver(Webhook("https://example.org/hook", client=receiver.client()), event()) is False
    first, second = (json.loads(request.content) for request in receiver.requests)
    assert first["picture"] and second["picture"] is None
    assert first["id"] == second["id"] and second["title"] == "mk4 was paused"


async def test_a_receiver_that_breaks_off_under_the_picture_gets_the_text_alone() -> None:
    def small(request: httpx.Request) -> httpx.Response:
        if len(request.content) > 1000:
            raise httpx.WriteError("connection reset", request=request)
        return httpx.Response(200)

    client = httpx.AsyncClient(transport=httpx.MockTransport(small))
    pictured = replace(event(), picture=PICTURE * 200)
    assert await deliver(Webhook("https://example.org/hook", client=client), pictured) is False


async def test_a_receiver_that_is_ill_gets_the_picture_twice_then_the_text_alone() -> None:
    channel = Recorder(failures=3)
    dispatcher = Dispatcher([channel], sleep=no_sleep)
    dispatcher.start()
    dispatcher.tell(event())
    await dispatcher.close()
    assert channel.tries == 4 and channel.got[0].picture is None


async def test_pictures_are_made_small_enough_for_every_channel() -> None:
    large = io.BytesIO()
    Image.effect_noise((2592, 1944), 90).convert("RGB").save(large, "JPEG", quality=95)
    small = await fitted(large.getvalue())
    assert small is not None and len(small) <= MAX_BYTES < len(large.getvalue())
    with Image.open(io.BytesIO(small)) as image:
        assert image.size == (MAX_SIDE, 960)
    assert await fitted(PICTURE) == PICTURE and await fitted(None) is None


async def test_a_test_message_carries_a_picture() -> None:
    hook: list[dict[str, Any]] = []

    async def take(request: Request) -> Response:
        hook.append(await request.json())
        return Response(status_code=200)

    async with serving(Starlette(routes=[Route("/", take, methods=["POST"])])) as url:
        printer = {"name": "p", "kind": "duet", "url": "http://duet.local"}
        settings = read({"printer": [printer], "notify": {"webhook": [{"url": url}]}}, Path())
        findings = [finding async for finding in try_channels(settings)]
    assert findings[0].ok and base64.b64decode(hook[0]["picture"]).startswith(b"\xff\xd8")


def test_an_event_with_a_warning_only_has_its_numbers() -> None:
    from layerwatch_watcher.notifications.webhook import payload

    body = payload(Event(Kind.WARNING, "p", "t", inspection=inspection(WARN)), picture=True)
    assert body["inspection"]["quality"] == 3
    assert body["picture"] is None
