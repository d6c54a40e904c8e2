"""Before a print the bed is checked, and the print held while something lies on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from watcher.tests.stand_ins.judge import PAUSE

from layerwatch_sdk.errors import NoAnswer
from layerwatch_sdk.models import BedCheck, LeftOver
from layerwatch_watcher.notifications.event import Event, Kind
from layerwatch_watcher.printers.base import PrinterError
from layerwatch_watcher.watching.policy import BeforePrint

Make = Callable[..., Any]

PART = LeftOver(0.4, 0.5, 0.2, 0.15, 0.021)
ELSEWHERE = LeftOver(0.05, 0.1, 0.2, 0.15, 0.03)
CLEAR, BLOCKED = BedCheck(True), BedCheck(False, None, (PART,))
UNKNOWN = BedCheck(None, "this printer's empty bed is not known")


def answers(*beds: BedCheck) -> Callable[[], BedCheck]:
    """These answers in order, the last one for ever."""
    given: Iterator[BedCheck] = chain(beds, repeat(beds[-1]))
    return lambda: next(given)


def events(scene: Any, kind: Kind) -> list[Event]:
    return [event for event in scene.events if event.kind is kind]


async def heating(
    scene: Make, *beds: BedCheck, mode: BeforePrint = BeforePrint.REQUIRE, **policy: Any
) -> Any:
    """A scene with a print that begins to heat, half a minute later."""
    s = scene()
    s.judge.beds = answers(*beds)
    s.watch(before_print=mode, **policy)
    await s.run(10)
    s.machine.start()
    await s.run(30)
    return s


async def test_a_print_is_held_while_it_still_heats(scene: Make) -> None:
    s = await heating(scene, BLOCKED)
    assert s.machine.state == "paused" and s.machine.commands == ["pause"]
    (event,) = events(s, Kind.BED_NOT_CLEAR)
    assert event.title == "mk4 waits: its bed is not clear"
    assert event.text == (
        "Something lies on it in the middle of the picture (2.1% of it). Clear it, and resume the print."
    )
    assert event.picture is not None
    assert s.judge.bed_checks == [("mk4", "camera", False)] * 2
    assert s.journal("pause")[0]["why"].startswith("bed not clear: ")


async def test_a_clear_bed_holds_nothing(scene: Make) -> None:
    s = await heating(scene, CLEAR)
    s.machine.print_on(1, 0.01)
    await s.run(60)
    assert s.machine.commands == [] and s.kinds() == [Kind.PRINT_STARTED]
    assert len(s.judge.bed_checks) == 1 and s.judge.seen
    assert s.journal("bed check")[0]["why"] == "the bed is clear"


async def test_nothing_is_checked_unless_it_is_wanted(scene: Make) -> None:
    s = await heating(scene, BLOCKED, mode=BeforePrint.OFF)
    assert s.judge.bed_checks == [] and s.machine.commands == []


async def test_with_warn_the_print_goes_on(scene: Make) -> None:
    s = await heating(scene, BLOCKED, mode=BeforePrint.WARN)
    assert s.machine.commands == []
    assert [event.title for event in events(s, Kind.BED_NOT_CLEAR)] == [
        "mk4 begins to print, and its bed is not clear"
    ]


async def test_a_dry_run_only_says_it(scene: Make) -> None:
    s = await heating(scene, BLOCKED, dry_run=True)
    assert s.machine.commands == [] and len(events(s, Kind.BED_NOT_CLEAR)) == 1
    assert s.journal("bed check")[0]["dry_run"] is True


async def test_what_only_one_of_two_pictures_shows_holds_nothing(scene: Make) -> None:
    s = await heating(scene, BLOCKED, CLEAR)
    assert s.machine.commands == [] and s.kinds() == [Kind.PRINT_STARTED]


async def test_what_is_elsewhere_in_the_second_picture_holds_nothing(scene: Make) -> None:
    s = await heating(scene, BLOCKED, BedCheck(False, None, (ELSEWHERE,)))
    assert s.machine.commands == []
    (event,) = events(s, Kind.BED_NOT_CHECKED)
    assert "something moves" in event.text


async def test_cannot_say_never_holds_and_is_reported_once(scene: Make) -> None:
    s = await heating(scene, UNKNOWN)
    for _ in range(3):
        s.machine.finish()
        await s.run(20)
        s.machine.start()
        await s.run(20)
    assert s.machine.commands == []
    (event,) = events(s, Kind.BED_NOT_CHECKED)
    assert event.title == "mk4 prints without a check of its bed"
    assert event.text == "this printer's empty bed is not known"
    assert len(s.journal("bed check")) == 4


async def test_a_service_that_is_away_holds_nothing_and_is_asked_again_while_the_printer_heats(
    scene: Make,
) -> None:
    s = scene()
    s.judge.beds, s.judge.trouble = answers(BLOCKED), NoAnswer("no route")
    s.watch(before_print=BeforePrint.REQUIRE)
    s.machine.start()
    await s.run(60)
    assert s.machine.commands == []
    s.judge.trouble = None
    await s.run(30)
    assert s.machine.state == "paused"


async def test_a_service_that_stays_away_lets_the_print_begin_and_is_reported(scene: Make) -> None:
    s = scene()
    s.judge.trouble = NoAnswer("no route")
    s.watch(before_print=BeforePrint.REQUIRE)
    s.machine.start()
    await s.run(30)
    s.machine.print_on(1, 0.01)
    await s.run(30)
    assert s.machine.commands == []
    assert "is not reachable" in events(s, Kind.BED_NOT_CHECKED)[0].text


async def test_a_camera_that_fails_holds_nothing(scene: Make) -> None:
    s = scene()
    s.camera.broken = "unplugged"
    s.watch(before_print=BeforePrint.REQUIRE)
    s.start_print()
    await s.run(30)
    assert s.machine.commands == []
    assert events(s, Kind.BED_NOT_CHECKED)[0].text == "unplugged (plug it in)"


async def test_a_print_that_is_under_way_when_it_is_first_seen_is_not_checked(scene: Make) -> None:
    s = scene()
    s.judge.beds = answers(BLOCKED)
    s.machine.start()
    s.machine.print_on(600, 0.2)
    s.watch(before_print=BeforePrint.REQUIRE)
    await s.run(30)
    assert s.judge.bed_checks == [] and s.machine.commands == []
    assert "under way" in events(s, Kind.BED_NOT_CHECKED)[0].text


async def test_a_resumed_print_is_not_held_again_and_a_later_failure_is_news(scene: Make) -> None:
    s = await heating(scene, BLOCKED)
    s.machine.resume()
    await s.run(60)
    assert s.machine.commands == ["pause", "resume"]
    assert s.judge.feedback_received == []  # nobody has looked at the print: there was none
    s.judge.verdict = lambda _: PAUSE
    await s.run(120)
    assert s.machine.state == "paused" and Kind.PAUSED in s.kinds()


async def test_it_may_go_on_by_heating_first(scene: Make) -> None:
    s = await heating(scene, BLOCKED, heaters_off_after=60.0)
    s.machine.state = "heating"
    await s.run(300)
    assert Kind.RESUMED in s.kinds()
    assert s.machine.commands == ["pause"]  # nor are the heaters switched off


async def test_the_heaters_of_a_held_print_go_off(scene: Make) -> None:
    s = await heating(scene, BLOCKED, heaters_off_after=600.0)
    await s.run(700)
    assert not any(s.machine.targets.values())


async def test_a_printer_that_refuses_a_pause_while_it_heats_is_held_when_it_prints(scene: Make) -> None:
    s = scene()
    s.judge.beds = answers(BLOCKED)
    pause = s.printer.pause

    async def refuses() -> None:
        if s.machine.state == "heating":
            raise PrinterError("nothing is printing yet", refused=True)
        await pause()

    s.printer.pause = refuses
    s.watch(before_print=BeforePrint.REQUIRE)
    s.machine.start()
    await s.run(120)
    (failed,) = events(s, Kind.ACTION_FAILED)
    assert failed.title == "mk4 could not be held, although its bed is not clear; it is tried again"
    s.machine.print_on(1, 0.001)
    await s.run(180)
    assert s.machine.state == "paused" and len(events(s, Kind.BED_NOT_CLEAR)) == 1


async def test_a_print_that_cannot_be_held_is_let_go(scene: Make) -> None:
    s = scene()
    s.judge.beds, s.printer.deaf = answers(BLOCKED), True
    s.watch(before_print=BeforePrint.REQUIRE)
    s.start_print()
    await s.run(600)
    ordered = len(s.machine.commands)
    titles = [event.title for event in events(s, Kind.ACTION_FAILED)]
    assert titles[-1] == "mk4 could not be held, although its bed is not clear; it goes on"
    await s.run(600)
    assert len(s.machine.commands) == ordered


async def test_a_person_who_pauses_first_is_left_in_charge(scene: Make) -> None:
    s = scene()
    s.judge.beds = answers(BLOCKED)
    s.watch(before_print=BeforePrint.REQUIRE)
    s.machine.start()
    await s.clock.advance(6)
    s.machine.pause()
    await s.run(60)
    s.machine.resume()
    await s.run(60)
    assert s.machine.commands == ["pause", "resume"]
    assert events(s, Kind.BED_NOT_CLEAR)[0].title == "mk4 is paused, and its bed is not clear"


async def test_the_next_print_is_checked_again(scene: Make) -> None:
    s = await heating(scene, BLOCKED)
    s.machine.cancel()
    await s.run(20)
    s.machine.start()
    await s.run(30)
    assert s.machine.commands == ["pause", "cancel", "pause"]


async def test_watching_that_is_off_checks_nothing(scene: Make) -> None:
    s = scene()
    s.judge.beds = answers(BLOCKED)
    s.watch(before_print=BeforePrint.REQUIRE)
    await s.watcher.set_enabled(False, "anna")
    s.machine.start()
    await s.run(30)
    assert s.judge.bed_checks == [] and s.machine.commands == []


async def test_one_camera_that_sees_something_is_enough(scene: Make) -> None:
    s = scene()
    s.cameras = {"side": s.camera, "top": s.camera}
    s.judge.beds = lambda: BLOCKED if s.judge.bed_checks[-1][1] == "top" else UNKNOWN
    s.watch(before_print=BeforePrint.REQUIRE)
    s.machine.start()
    await s.run(30)
    assert s.machine.state == "paused"
    assert "seen by top" in events(s, Kind.BED_NOT_CLEAR)[0].text


# A restart of the watcher


async def test_a_held_print_that_is_resumed_after_a_restart_is_not_held_again(scene: Make) -> None:
    s = await heating(scene, BLOCKED)
    await s.die()
    s.watch(before_print=BeforePrint.REQUIRE)
    await s.run(30)
    s.machine.resume()
    await s.run(120)
    assert s.machine.commands == ["pause", "resume"]
    assert s.judge.feedback_received == []
    assert len(events(s, Kind.BED_NOT_CLEAR)) == 1 and Kind.RESUMED in s.kinds()


@pytest.mark.parametrize("numbered", [True, False])
async def test_one_that_is_resumed_during_a_restart_is_left_alone(scene: Make, numbered: bool) -> None:
    s = scene()
    s.judge.beds, s.printer.numbers_jobs = answers(BLOCKED), numbered
    s.watch(before_print=BeforePrint.REQUIRE, heaters_off_after=100.0)
    s.machine.start()
    await s.run(30)
    await s.die()
    s.machine.resume()
    s.machine.state = "heating"
    await s.clock.advance(60)
    s.watch(before_print=BeforePrint.REQUIRE, heaters_off_after=100.0)
    await s.run(120)
    assert s.machine.commands == ["pause", "resume"] and Kind.RESUMED in s.kinds()


async def test_a_check_that_a_restart_cut_short_is_made_again(scene: Make) -> None:
    s = scene()
    s.judge.beds = answers(BLOCKED)
    s.watch(before_print=BeforePrint.REQUIRE)
    s.machine.start()
    await s.clock.advance(6)  # between the two pictures
    assert len(s.judge.bed_checks) == 1
    await s.die()
    assert json.loads(s.note_path.read_text())["state"]["bed"] == "due"
    s.watch(before_print=BeforePrint.REQUIRE)
    await s.run(30)
    assert s.machine.state == "paused"


async def test_a_restart_that_took_too_long_leaves_it_unchecked(scene: Make) -> None:
    s = scene()
    s.judge.beds = answers(BLOCKED)
    s.watch(before_print=BeforePrint.REQUIRE)
    s.machine.start()
    await s.clock.advance(6)
    await s.die()
    s.machine.print_on(300, 0.1)
    s.watch(before_print=BeforePrint.REQUIRE)
    await s.run(60)
    assert s.machine.commands == [] and len(events(s, Kind.BED_NOT_CHECKED)) == 1


async def test_an_order_whose_effect_a_restart_hid_counts_as_ours(scene: Make) -> None:
    s = scene()
    s.judge.beds, s.printer.deaf = answers(BLOCKED), True
    s.watch(before_print=BeforePrint.REQUIRE)
    s.machine.start()
    await s.run(20)
    assert s.machine.commands == ["pause"]
    await s.die()
    s.printer.deaf = False
    s.machine.state = "paused"
    s.watch(before_print=BeforePrint.REQUIRE)
    await s.run(30)
    assert s.machine.commands == ["pause"]
    assert [event.title for event in events(s, Kind.BED_NOT_CLEAR)] == ["mk4 waits: its bed is not clear"]
    s.machine.resume()
    await s.run(60)
    assert s.machine.commands == ["pause", "resume"] and s.judge.feedback_received == []
