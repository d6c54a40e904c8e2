"""An order is not the deed: what is reported is what the printer's state shows, whatever it answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from watcher.tests.stand_ins.judge import HEALTHY, PAUSE, Verdict

from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.printers.base import PrinterError, PrinterSetupError
from layerwatch_watcher.watching.policy import Action

Make = Callable[..., Any]


def failing_after(seconds: float) -> Callable[[float], Verdict]:
    return lambda at: HEALTHY if at < seconds else PAUSE


class Order:
    """A double of a printer's `pause`: carried out after `deed` s and answered after `answer` s."""

    def __init__(self, scene: Any, *, deed: float, answer: float, error: Any = None, times: int = 99) -> None:
        self.scene = scene
        self.deed, self.answer, self.error = deed, answer, error
        self.times = times
        self.given: list[float] = []
        self._usual = scene.printer.pause
        self._later: list[Any] = []
        scene.printer.pause = self

    async def __call__(self) -> None:
        clock = self.scene.clock
        self.given.append(clock.monotonic())
        if len(self.given) > self.times:
            await self._usual()
            return
        self._later.append(asyncio.ensure_future(self._carry_out()))
        await clock.sleep(self.answer)
        if self.error is not None:
            raise self.error

    async def _carry_out(self) -> None:
        await self.scene.clock.sleep(self.deed)
        self.scene.machine.pause()


NEVER = 1e9


async def test_a_macro_that_answers_when_it_is_over_is_a_pause_as_soon_as_it_stands(scene: Make) -> None:
    s = scene(failing_after(20))
    Order(s, deed=3, answer=16)
    s.watch(heaters_off_after=120.0)
    s.start_print()
    await s.run(60)
    assert s.kinds() == [Kind.PRINT_STARTED, Kind.PAUSED]
    await s.run(120)
    assert s.kinds()[-1] is Kind.HEATERS_OFF and not any(s.machine.targets.values())
    s.machine.resume()
    await s.run(600)
    assert s.machine.commands.count("pause") == 1
    assert s.judge.feedback_received == ["resumed"]


async def test_a_lost_answer_is_no_refusal(scene: Make) -> None:
    s = scene(failing_after(20))
    order = Order(s, deed=1, answer=10, error=PrinterError("it did not answer in time"))
    s.watch()
    s.start_print()
    await s.run(300)
    assert s.kinds() == [Kind.PRINT_STARTED, Kind.PAUSED]
    assert len(order.given) == 1
    assert s.journal("stands") == [], "it was not somebody at the printer"


async def test_a_lost_order_is_given_once_more(scene: Make) -> None:
    s = scene(failing_after(20))
    order = Order(s, deed=NEVER, answer=10, error=PrinterError("it did not answer in time"), times=1)
    s.watch()
    s.start_print()
    await s.run(100)
    assert s.kinds() == [Kind.PRINT_STARTED, Kind.PAUSED]
    assert len(order.given) == 2


async def test_a_pause_that_comes_after_it_was_given_up_is_still_ours(scene: Make) -> None:
    s = scene(failing_after(20))
    Order(s, deed=90, answer=5, times=2)
    s.watch(heaters_off_after=60.0)
    s.start_print()
    await s.run(90)
    assert s.kinds()[-1] is Kind.ACTION_FAILED
    assert s.events[-1].title == "mk4 looks failed, and could not be paused"
    assert "accepted the pause but is still printing after" in s.events[-1].text
    s.judge.verdict = lambda _: HEALTHY
    await s.run(60)
    assert s.kinds()[-1] is Kind.PAUSED
    await s.run(90)
    assert s.kinds()[-1] is Kind.HEATERS_OFF


async def test_what_cannot_be_read_is_said_to_be_not_known(scene: Make) -> None:
    s = scene(failing_after(20))
    s.watch()
    s.start_print()
    await s.run(15)
    s.printer.broken = "the network is gone"
    await s.run(120)
    (failed,) = [event for event in s.events if event.kind is Kind.ACTION_FAILED]
    assert failed.title == "mk4 looks failed; whether it was paused is not known"


async def test_a_print_that_finishes_while_it_is_paused_has_finished_and_was_not_paused(scene: Make) -> None:
    s = scene(failing_after(20))
    s.printer.pause = lambda: _finish(s)
    s.watch()
    s.start_print()
    await s.run(60)
    assert s.kinds() == [Kind.PRINT_STARTED, Kind.PRINT_FINISHED]
    assert s.journal("pause") == []


async def _finish(scene: Any) -> None:
    scene.machine.finish()


async def test_a_print_that_finishes_while_it_stands_by_our_pause_ends(scene: Make) -> None:
    s = scene(failing_after(20))
    s.watch(heaters_off_after=600.0)
    s.start_print()
    await s.run(60)
    s.machine.finish()
    await s.run(900)
    assert s.kinds() == [Kind.PRINT_STARTED, Kind.PAUSED, Kind.PRINT_FINISHED]
    assert s.machine.commands == ["pause"], "and its heaters are its own business again"


async def test_a_refused_pause_is_reported_once_with_the_hint_and_tried_again_quietly(scene: Make) -> None:
    s = scene(failing_after(20), learns=False)
    refusal = PrinterSetupError("this key may not pause", "give it the permission CONTROL")
    order = Order(s, deed=NEVER, answer=0, error=refusal)
    s.watch()
    s.start_print()
    await s.run(1800)
    failed = [event for event in s.events if event.kind is Kind.ACTION_FAILED]
    assert len(failed) == 1
    assert "this key may not pause. Give it the permission CONTROL" in failed[0].text
    assert 5 <= len(order.given) <= 15, "again, ever more rarely"
    assert len(s.journal("pause")) == 1
    await s.run(2400)
    assert s.kinds().count(Kind.ACTION_FAILED) == 2, "and again after an hour"
    order.times = 0
    await s.run(400)
    assert s.kinds()[-1] is Kind.PAUSED


async def test_what_was_done_is_said_although_something_else_failed(scene: Make) -> None:
    s = scene(failing_after(20))

    async def refuse(_: Any) -> None:
        raise PrinterError("no G-code now", refused=True)

    s.printer.gcode = refuse
    s.watch(on_pause=(Action.NOTIFY, Action.PAUSE, Action.GCODE), gcode=("M117 hello",))
    s.start_print()
    await s.run(60)
    assert s.events[-1].title == "mk4 was paused, but gcode failed"


async def test_heaters_that_stay_on_are_named_and_tried_again(scene: Make) -> None:
    s = scene(failing_after(20))
    s.machine.targets = {"tool0": 215.0, "tool1": 230.0, "bed": 60.0}
    s.watch(heaters_off_after=60.0)
    s.start_print()
    await s.run(200)
    failed = [event for event in s.events if event.kind is Kind.ACTION_FAILED]
    assert [event.title for event in failed] == ["mk4: the heaters are still on"]
    assert failed[0].text.startswith("tool1 is still set to 230 °C")
    s.machine.targets["tool1"] = 0.0
    await s.run(400)
    assert s.events[-1].title == "mk4: the heaters are off"


async def test_heaters_of_which_nothing_is_known_are_not_said_to_be_on(scene: Make) -> None:
    s = scene(failing_after(20))

    async def refuse(_: Any) -> None:
        raise PrinterError("no G-code now", refused=True)

    async def unread() -> Any:
        raise PrinterError("no temperatures")

    s.printer.gcode, s.printer.heater_targets = refuse, unread
    s.watch(heaters_off_after=60.0)
    s.start_print()
    await s.run(200)
    assert s.events[-1].title == "mk4: it is not known whether the heaters are off"


async def test_a_print_restarted_after_our_pause_is_a_new_print(scene: Make) -> None:
    s = scene(failing_after(20))
    s.watch()
    s.start_print()
    await s.run(60)
    assert s.machine.state == "paused"
    s.judge.verdict = lambda _: HEALTHY
    s.printer.numbers_jobs = False
    s.machine.print_on(0.0, 0.0)
    await s.run(60)
    assert s.kinds()[2:] == [Kind.PRINT_ENDED, Kind.PRINT_STARTED]
    assert len(s.judge.opened) == 2 and s.judge.feedback_received == []
