"""What does not work is reported once, in plain words, and tried again: printer, camera, service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watcher.tests.stand_ins.judge import HEALTHY, PAUSE, WARN, Verdict

from layerwatch_sdk.errors import ConnectionFailed, InvalidApiKey
from layerwatch_watcher.notifications.event import Kind

Make = Callable[..., Any]


def failing_after(seconds: float) -> Callable[[float], Verdict]:
    """Healthy, then a warning for 40 s, then a pause."""
    return lambda at: HEALTHY if at < seconds else WARN if at < seconds + 40 else PAUSE


async def test_a_printer_that_cannot_be_paused_is_reported_at_once_and_retried(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch()
    s.start_print()
    await s.run(60)
    s.printer.broken = "OctoPrint does not answer"
    await s.run(150)
    failed = [event for event in s.events if event.kind is Kind.ACTION_FAILED]
    assert failed and "OctoPrint does not answer" in failed[0].text
    s.printer.broken = None
    await s.run(60)
    assert s.machine.state == "paused"


async def test_a_printer_that_accepts_the_pause_and_prints_on_is_reported(scene: Make) -> None:
    s = scene(failing_after(100))
    s.printer.deaf = True
    s.watch()
    s.start_print()
    await s.run(300)
    failed = [event for event in s.events if event.kind is Kind.ACTION_FAILED]
    assert failed and "still printing after" in failed[0].text


async def test_a_failing_camera_is_reported_once_and_when_it_is_back(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.camera.broken = "no answer from the camera"
    await s.run(1800)
    assert s.kinds().count(Kind.CAMERA_TROUBLE) == 1
    s.camera.broken = None
    await s.run(120)
    assert s.kinds()[-1] is Kind.CAMERA_BACK


async def test_a_short_gap_is_not_reported(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.camera.broken = "no answer"
    await s.run(60)
    s.camera.broken = None
    await s.run(300)
    assert s.kinds() == [Kind.PRINT_STARTED]


async def test_a_service_that_is_away_is_waited_for(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.judge.trouble = ConnectionFailed("no route")
    await s.run(900)
    assert s.kinds().count(Kind.SERVICE_TROUBLE) == 1
    s.judge.trouble = None
    await s.run(120)
    assert s.kinds()[-1] is Kind.SERVICE_BACK
    assert len(s.judge.opened) == 1


async def test_a_refused_key_is_reported_at_once_and_retried_later(scene: Make) -> None:
    s = scene()
    s.judge.trouble = InvalidApiKey("OE_INVALID_API_KEY", "no", status=401)
    s.watch()
    s.start_print()
    await s.run(30)
    assert s.kinds()[-1] is Kind.SERVICE_TROUBLE
    assert "does not know this key" in s.events[-1].title
    s.judge.trouble = None
    await s.run(400)
    assert s.judge.seen


async def test_a_printer_that_is_off_at_night_is_not_reported(scene: Make) -> None:
    s = scene()
    s.printer.broken = "no answer"
    s.watch()
    await s.run(3600)
    assert s.events == []


async def test_a_host_that_restarts_during_a_print_ends_nothing(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.printer.broken = "restarting"
    await s.run(60)
    s.printer.broken = None
    await s.run(60)
    assert len(s.judge.opened) == 1
    assert len(s.judge.seen) >= 8, "the camera was looked at all the time"
