"""A print is watched from its start to its end, stopped once when it fails, and left alone after that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from watcher.tests.stand_ins.judge import HEALTHY, PAUSE, WARN, Verdict

from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.watching.policy import Action

Make = Callable[..., Any]


def failing_after(seconds: float) -> Callable[[float], Verdict]:
    """Healthy, then a warning for 40 s, then a pause."""
    return lambda at: HEALTHY if at < seconds else WARN if at < seconds + 40 else PAUSE


async def test_a_healthy_print_is_never_touched(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(3600)
    s.machine.finish()
    await s.run(60)
    assert s.machine.commands == []
    assert s.kinds() == [Kind.PRINT_STARTED, Kind.PRINT_FINISHED]
    gaps = {b - a for a, b in zip(s.judge.seen, s.judge.seen[1:])}
    assert gaps == {20.0}, "as often as the service asked, and no sooner"


async def test_a_failing_print_is_warned_of_and_paused_once(scene: Make) -> None:
    s = scene(failing_after(600))
    s.watch()
    s.start_print()
    await s.run(3600)
    assert s.machine.state == "paused"
    assert s.machine.commands == ["pause"]
    assert s.kinds() == [Kind.PRINT_STARTED, Kind.WARNING, Kind.PAUSED]
    (entry,) = s.journal("pause")
    assert entry["who"] == "layerwatch"
    assert entry["why"] == "pause suggested: quality 1 of 10, score 97 of 100, spaghetti"


async def test_it_is_paused_within_two_minutes_of_the_failure(scene: Make) -> None:
    s = scene(failing_after(600))
    s.watch()
    s.start_print()
    await s.run(600 + 60)
    assert s.machine.state == "printing" or s.machine.state == "paused"
    await s.run(60)
    assert s.machine.state == "paused"


async def test_no_picture_is_taken_while_the_print_is_stopped(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(100)
    s.machine.run_out()
    await s.run(30)
    before = s.camera.taken
    await s.run(3600)
    assert s.camera.taken == before
    s.machine.resume()
    await s.run(60)
    assert s.camera.taken > before
    assert len(s.judge.opened) == 1, "a filament change is no new print"
    assert s.judge.feedback_received == [], "nor is it news to the service"


async def test_after_the_user_resumes_it_stays_resumed(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch()
    s.start_print()
    await s.run(300)
    assert s.machine.state == "paused"
    s.machine.resume()
    await s.run(3600)
    assert s.machine.state == "printing"
    assert s.judge.feedback_received == ["resumed"]
    (entry,) = s.journal("resumed")
    assert entry["who"] == "someone at the printer"


async def test_a_printer_that_heats_before_it_goes_on_stays_resumed_too(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch()
    s.start_print()
    await s.run(300)
    assert s.machine.state == "paused"
    s.machine.state = "heating"
    await s.run(60)
    s.machine.state = "printing"
    await s.run(600)
    assert s.machine.commands == ["pause"]
    assert s.judge.feedback_received == ["resumed"]


async def test_a_user_who_goes_on_at_once_is_seen_to_go_on(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch(heaters_off_after=600.0)
    s.start_print()
    while s.machine.state != "paused":
        await s.clock.advance(1)
    s.machine.resume()  # before the printer is asked for its status again
    await s.run(1800)
    assert s.judge.feedback_received == ["resumed"]
    assert s.machine.commands == ["pause", "resume"]


async def test_it_stays_resumed_although_the_service_does_not_learn(scene: Make) -> None:
    s = scene(failing_after(100), learns=False)
    s.watch()
    s.start_print()
    await s.run(300)
    s.machine.resume()
    await s.run(3600)
    assert s.machine.commands.count("pause") == 1
    assert s.kinds().count(Kind.WARNING) == 1


async def test_another_failure_after_that_pauses_again(scene: Make) -> None:
    s = scene(lambda at: PAUSE if 100 < at < 200 or at > 2000 else HEALTHY, learns=False)
    s.watch()
    s.start_print()
    await s.run(150)
    s.machine.resume()
    await s.run(1500)
    assert s.machine.state == "printing"
    await s.run(600)
    assert s.machine.commands == ["pause", "resume", "pause"]


async def test_a_false_alarm_stops_repeats(scene: Make) -> None:
    s = scene(lambda at: WARN if at > 100 else HEALTHY, learns=False)
    watcher = s.watch()
    s.start_print()
    await s.run(200)
    assert s.kinds().count(Kind.WARNING) == 1
    assert watcher.feedback("false_alarm", "anna")
    await s.run(3600)
    assert s.kinds().count(Kind.WARNING) == 1
    assert s.judge.feedback_received == ["false_alarm"]
    assert s.journal("false alarm")[0]["who"] == "anna"


async def test_a_false_alarm_reported_at_the_warning_prevents_the_pause(scene: Make) -> None:
    s = scene(failing_after(100), learns=False)
    watcher = s.watch()
    s.start_print()
    await s.run(125)
    assert s.kinds()[-1] is Kind.WARNING
    watcher.feedback("false_alarm", "anna")
    await s.run(3600)
    assert "pause" not in s.machine.commands


async def test_every_print_has_its_own_context(scene: Make) -> None:
    s = scene()
    s.watch()
    for _ in range(3):
        s.start_print()
        await s.run(100)
        s.machine.finish()
        await s.run(30)
    assert len(s.judge.opened) == 3


async def test_a_print_that_follows_at_once_is_a_new_one(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print("one.gcode")
    await s.run(100)
    s.start_print("two.gcode")
    await s.run(100)
    assert len(s.judge.opened) == 2
    assert [entry["file"] for entry in s.journal("print begun")] == ["one.gcode", "two.gcode"]


async def test_heating_is_not_looked_at(scene: Make) -> None:
    s = scene()
    s.watch()
    s.machine.start()
    await s.run(300)
    assert s.judge.opened == []
    s.machine.print_on(1, 0.0)
    await s.run(30)
    assert len(s.judge.opened) == 1


async def test_the_levels_go_to_the_service(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(30)
    assert s.judge.opened[0][1:] == (3, 3)


async def test_a_dry_run_tells_and_does_nothing(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch(dry_run=True, heaters_off_after=60.0)
    s.start_print()
    await s.run(1200)
    assert s.machine.commands == []
    assert Kind.PAUSE_SUGGESTED in s.kinds()
    assert s.journal("pause")[0]["dry_run"] is True


async def test_a_policy_that_only_tells_does_not_pause(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch(on_pause=(Action.NOTIFY,))
    s.start_print()
    await s.run(1200)
    assert s.machine.state == "printing"
    assert s.kinds().count(Kind.PAUSE_SUGGESTED) == 1


async def test_cancel_and_gcode_as_the_policy_says(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch(on_warning=(Action.GCODE,), on_pause=(Action.CANCEL,), gcode=("M117 look at me",))
    s.start_print()
    await s.run(1200)
    assert s.machine.commands == ["M117 look at me", "cancel"]
    assert s.journal("print cancelled")[0]["who"] == "layerwatch"


async def test_a_command_is_run_with_the_picture_and_the_reason(scene: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = (
        "import os, sys; "
        f"open({str(out)!r}, 'wb').write(sys.stdin.buffer.read() + os.environ['LAYERWATCH_WHY'].encode())"
    )
    s = scene(failing_after(20))
    s.watch(on_pause=(Action.COMMAND,), command=(sys.executable, "-c", program))
    s.start_print()
    await s.run(100)
    for _ in range(300):
        if s.journal("command"):
            break
        import asyncio

        await asyncio.sleep(0.01)
    written = out.read_bytes()
    assert written.startswith(b"\xff\xd8\xff") and b"pause suggested" in written


async def test_heaters_go_off_when_no_one_resumes(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch(heaters_off_after=600.0)
    s.start_print()
    await s.run(400)
    assert s.machine.commands == ["pause"]
    await s.run(500)
    assert s.machine.commands == ["pause", "M104 S0", "M140 S0"]
    await s.run(3600)
    assert len(s.machine.commands) == 3, "once"
    assert Kind.HEATERS_OFF in s.kinds()


async def test_heaters_stay_on_when_someone_resumed(scene: Make) -> None:
    s = scene(failing_after(100))
    s.watch(heaters_off_after=600.0)
    s.start_print()
    await s.run(300)
    s.machine.resume()
    await s.run(3600)
    assert "M104 S0" not in s.machine.commands


async def test_heaters_stay_on_when_the_user_paused(scene: Make) -> None:
    s = scene()
    s.watch(heaters_off_after=600.0)
    s.start_print()
    await s.run(100)
    s.machine.pause()
    await s.run(3600)
    assert s.machine.commands == ["pause"]


async def test_switched_off_it_does_not_look_and_switched_on_it_does(scene: Make) -> None:
    s = scene(failing_after(50))
    watcher = s.watch()
    s.start_print()
    await s.run(40)
    await watcher.set_enabled(False, "anna")
    seen = len(s.judge.seen)
    await s.run(600)
    assert len(s.judge.seen) == seen
    assert s.machine.commands == []
    await watcher.set_enabled(True, "anna")
    await s.run(30)
    assert len(s.judge.seen) > seen
    assert [entry["who"] for entry in s.journal("watching off")] == ["anna"]


async def test_watching_that_begins_in_the_middle_of_a_print_looks_at_it(scene: Make) -> None:
    s = scene()
    s.start_print()
    s.machine.elapsed = 5000
    s.watch()
    await s.run(30)
    assert len(s.judge.opened) == 1
