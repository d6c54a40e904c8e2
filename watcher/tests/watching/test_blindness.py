"""Never silent: a print that is not seen is reported within three minutes, once, and once when it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from watcher.tests.stand_ins.clock import VirtualClock
from watcher.tests.stand_ins.judge import HEALTHY, PAUSE, WARN

from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.watching.policy import Action
from layerwatch_watcher.watching.watchdog import BLIND_S, PRINTER, SIGHT, Watchdog

Make = Callable[..., Any]
LIMIT_S = 180


@pytest.mark.parametrize(
    ("condition", "word"),
    [("frozen", "frozen"), ("dark", "dark"), ("no_print", "shows no print"), ("overexposed", "overexposed")],
)
async def test_a_picture_that_shows_nothing_is_reported(scene: Make, condition: str, word: str) -> None:
    s = scene()
    watcher = s.watch()
    s.start_print()
    await s.run(60)
    assert watcher.seen
    s.judge.condition = condition
    await s.run(LIMIT_S)
    assert not watcher.seen
    await s.run(1200)
    (trouble,) = [event for event in s.events if event.kind is Kind.CAMERA_TROUBLE]
    assert word in trouble.title and trouble.text
    s.judge.condition = "ok"
    await s.run(60)
    assert s.kinds()[-1] is Kind.CAMERA_BACK and watcher.seen


async def test_first_layers_that_are_not_in_view_are_no_trouble_yet(scene: Make) -> None:
    s = scene()
    s.judge.condition = "no_print"
    s.watch()
    s.start_print()
    await s.run(480)
    assert s.kinds() == [Kind.PRINT_STARTED]
    await s.run(240)
    assert s.kinds()[-1] is Kind.CAMERA_TROUBLE


async def test_a_camera_that_never_answers_is_reported(scene: Make) -> None:
    s = scene()

    async def hangs() -> bytes:
        await s.clock.sleep(1e9)
        return b""

    s.watch()
    s.start_print()
    await s.run(60)
    s.camera.snapshot = hangs
    await s.run(LIMIT_S)
    assert s.kinds()[-1] is Kind.CAMERA_TROUBLE
    assert "no complete picture within 30 s" in s.events[-1].title


async def test_a_printer_that_its_host_has_lost_is_reported(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.machine.state = "offline"
    await s.run(LIMIT_S)
    assert s.kinds()[-1] is Kind.PRINTER_TROUBLE
    assert "lost the printer" in s.events[-1].title
    s.machine.state = "printing"
    await s.run(30)
    assert s.kinds()[-1] is Kind.PRINTER_BACK
    assert len(s.judge.opened) == 1, "it is the same print"


async def test_a_printer_that_is_connected_and_mute_is_reported(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.printer.silent_since = s.clock.monotonic()
    await s.run(LIMIT_S)
    assert s.kinds()[-1] is Kind.PRINTER_TROUBLE
    assert "has reported nothing for" in s.events[-1].title
    assert not s.watcher.reported, "the last report is stale"


async def test_a_printer_that_never_answers_is_reported(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)

    async def hangs() -> Any:
        await s.clock.sleep(1e9)

    s.printer.status = hangs
    await s.run(LIMIT_S)
    assert s.kinds()[-1] is Kind.PRINTER_TROUBLE


async def test_a_stuck_pause_flag_does_not_stop_the_watching(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.printer.stuck = True
    await s.run(30)
    before = len(s.judge.seen)
    await s.run(600)
    assert len(s.judge.seen) - before >= 25
    assert s.kinds() == [Kind.PRINT_STARTED]


async def test_nothing_is_expected_of_a_stopped_print(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.machine.pause()
    s.camera.broken = "unplugged"
    await s.run(3600)
    assert s.kinds() == [Kind.PRINT_STARTED]
    s.machine.resume()
    await s.run(LIMIT_S)
    assert s.kinds()[-1] is Kind.CAMERA_TROUBLE


async def test_parking_at_the_end_is_not_looked_at(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.machine.state = "finishing"
    await s.run(20)
    before = s.camera.taken
    await s.run(600)
    assert s.camera.taken == before and s.kinds() == [Kind.PRINT_STARTED]
    s.machine.finish()
    await s.run(10)
    assert s.kinds()[-1] is Kind.PRINT_FINISHED


async def test_an_interval_that_is_longer_than_the_limit_is_no_blindness(scene: Make) -> None:
    s = scene(interval=600)
    s.watch()
    s.start_print()
    await s.run(3000)
    assert s.kinds() == [Kind.PRINT_STARTED]


async def test_people_see_what_is_printed_where(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print("benchy.gcode")
    s.machine.progress = 0.4
    await s.run(60)
    labels, position = s.judge.labels[0], s.judge.positions[-1]
    assert (labels.printer, labels.file, labels.camera) == ("mk4", "benchy.gcode", "camera")
    assert (position.progress, position.state) == (0.4, "printing")


async def test_what_was_reported_before_a_restart_is_not_reported_again_and_its_end_is(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    s.camera.broken = "unplugged"
    await s.run(LIMIT_S)
    await s.die()
    s.watch()
    await s.run(600)
    assert s.kinds().count(Kind.CAMERA_TROUBLE) == 1
    s.camera.broken = None
    await s.run(60)
    assert s.kinds()[-1] is Kind.CAMERA_BACK


async def test_pictures_that_show_nothing_do_not_show_that_a_failure_is_gone(scene: Make) -> None:
    s = scene(lambda at: PAUSE if at < 100 else HEALTHY, learns=False)
    s.watch()
    s.start_print()
    await s.run(30)
    s.machine.resume()
    await s.run(60)
    s.judge.condition = "dark"
    s.judge.verdict = lambda _: HEALTHY
    await s.run(100)
    s.judge.condition = "ok"
    s.judge.verdict = lambda _: PAUSE
    await s.run(100)
    assert s.machine.commands == ["pause", "resume"]


async def test_a_frozen_picture_of_a_failure_is_reported_as_that_and_stops_nothing(scene: Make) -> None:
    s = scene()
    s.watch(on_warning=(Action.NOTIFY, Action.PAUSE))
    s.start_print()
    await s.run(60)
    s.judge.condition, s.judge.verdict = "frozen", lambda _: WARN
    await s.run(600)
    assert s.kinds() == [Kind.PRINT_STARTED, Kind.CAMERA_TROUBLE]
    assert "frozen, and shows what may be a failure (quality 3" in s.events[-1].title
    assert s.machine.commands == []
    s.judge.condition = "ok"
    await s.run(60)
    assert s.machine.commands == ["pause"], "a picture that can be judged shows it, too"


class Dog:
    """A watchdog and what it reports."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.reports: list[tuple[Kind, str]] = []
        self.dog = Watchdog(
            "a", self.clock.monotonic, lambda kind, title, _: self.reports.append((kind, title))
        )

    async def after(self, seconds: float) -> list[Kind]:
        await self.clock.advance(seconds)
        self.dog.check()
        return [kind for kind, _ in self.reports]


async def test_the_watchdog_reports_once_and_once_when_it_is_over() -> None:
    d = Dog()
    d.dog.expect(looks=True, reports=True)
    d.dog.fails(SIGHT, "camera", "it is dark")
    assert await d.after(BLIND_S - 1) == []
    d.dog.works(PRINTER)
    assert await d.after(1) == [Kind.CAMERA_TROUBLE]
    d.dog.fails(SIGHT, "service", "no route")
    assert await d.after(60) == [Kind.CAMERA_TROUBLE], "one outage, whatever its reason becomes"
    d.dog.works(SIGHT)
    d.dog.works(PRINTER)
    assert await d.after(1) == [Kind.CAMERA_TROUBLE, Kind.CAMERA_BACK]


async def test_the_watchdog_needs_no_error_to_report() -> None:
    d = Dog()
    d.dog.expect(looks=True, reports=False)
    await d.after(BLIND_S)
    assert d.reports == [(Kind.CAMERA_TROUBLE, "a is not watched: no picture (for 2 min now)")]


async def test_what_waiting_does_not_mend_is_reported_at_once() -> None:
    d = Dog()
    d.dog.expect(looks=True, reports=True)
    d.dog.fails(SIGHT, "service", "the key is unknown", final=True)
    assert await d.after(0) == [Kind.SERVICE_TROUBLE]


async def test_the_end_of_a_print_ends_what_was_reported_of_it() -> None:
    d = Dog()
    d.dog.expect(looks=True, reports=True)
    d.dog.works(PRINTER)
    await d.after(BLIND_S)
    d.dog.follow({})
    d.dog.works(SIGHT)
    assert Kind.CAMERA_BACK not in await d.after(10)
