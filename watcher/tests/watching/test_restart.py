"""A watcher that is restarted in mid-print goes on with the print, and does nothing a second time."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable
from typing import Any

import pytest
from watcher.tests.stand_ins.judge import PAUSE, WARN, Verdict
from watcher.tests.watching.conftest import SOME_DAY

from layerwatch_sdk.models import Context
from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.watching.checkpoint import (
    Checkpoint,
    may_be_kept,
)
from layerwatch_watcher.watching.print_session import Levels

Make = Callable[..., Any]


def always(verdict: Verdict) -> Callable[[float], Verdict]:
    return lambda _: verdict


def note_of(scene: Any) -> dict[str, Any]:
    note: dict[str, Any] = json.loads(scene.note_path.read_text())
    return note


def rewrite(scene: Any, **state: Any) -> None:
    """Change what the checkpoint says of the print's state."""
    note = note_of(scene)
    note["state"].update(state)
    scene.note_path.write_text(json.dumps(note))


async def test_it_continues_in_the_same_context_and_respects_the_interval(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(65)
    await s.die()
    s.watch()
    await s.run(65)
    assert len(s.judge.opened) == 1
    gaps = [b - a for a, b in zip(s.judge.seen, s.judge.seen[1:])]
    assert min(gaps) >= 20.0
    assert len(s.judge.seen) >= 5
    assert s.kinds() == [Kind.PRINT_STARTED]
    assert s.journal("watching continues")[0]["why"] == "restarted in mid-print"


async def test_a_context_is_kept_before_its_first_picture_could_be_had(scene: Make) -> None:
    s = scene()
    s.camera.broken = "unplugged"
    s.watch()
    s.start_print()
    await s.run(30)
    await s.die()
    s.camera.broken = None
    s.watch()
    await s.run(90)  # the camera's backoff goes on where it was: a minute at most
    assert len(s.judge.opened) == 1 and s.judge.seen


async def test_what_the_user_went_on_with_is_not_paused_again(scene: Make) -> None:
    s = scene(always(PAUSE), learns=False)
    s.watch()
    s.start_print()
    await s.run(60)
    s.machine.resume()
    await s.run(30)
    for _ in range(5):
        await s.die()
        s.watch()
        await s.run(300)
    assert s.machine.commands == ["pause", "resume"]
    assert s.kinds().count(Kind.PAUSED) == 1 and Kind.WARNING not in s.kinds()


async def test_a_user_who_goes_on_while_it_is_away_is_seen_to_have_gone_on(scene: Make) -> None:
    s = scene(always(PAUSE), learns=False)
    s.watch()
    s.start_print()
    await s.run(60)
    assert s.machine.state == "paused"
    await s.die()
    await s.clock.advance(120)
    s.machine.resume()
    await s.run(60)
    s.watch()
    await s.run(600)
    assert s.machine.commands == ["pause", "resume"]
    assert s.judge.feedback_received == ["resumed"]
    assert s.kinds()[-1] is Kind.RESUMED


async def test_a_false_alarm_reported_before_a_restart_stays_reported(scene: Make) -> None:
    s = scene(always(WARN), learns=False)
    s.watch()
    s.start_print()
    await s.run(30)
    s.watcher.feedback("false_alarm", "anna")
    await s.die()
    s.judge.verdict = always(PAUSE)
    s.watch()
    await s.run(600)
    assert s.machine.commands == []
    assert s.judge.feedback_received == ["false_alarm"], "pending feedback is sent after the restart"


async def test_a_kill_just_before_the_pause_leaves_the_print_to_be_paused(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    await s.die()
    rewrite(s, phase="stopping", order="pause", latch={"warned": True, "acted": True, "clear": 0})
    s.judge.verdict = always(PAUSE)
    s.watch()
    await s.run(60)
    assert s.machine.commands == ["pause"]


async def test_a_kill_just_after_the_pause_is_known_for_our_pause(scene: Make) -> None:
    s = scene(always(PAUSE), learns=False)
    s.watch(heaters_off_after=600.0)
    s.start_print()
    await s.run(60)
    await s.die()
    rewrite(s, phase="stopping", order="pause", heaters_off_at=None)
    s.events.clear()
    s.watch(heaters_off_after=600.0)
    await s.run(10)
    assert s.kinds() == [Kind.PAUSED], "the first report may not have been delivered"
    s.machine.resume()
    await s.run(900)
    assert s.machine.commands == ["pause", "resume"]
    assert s.judge.feedback_received == ["resumed"]


async def test_heaters_go_off_on_time_although_it_was_away(scene: Make) -> None:
    s = scene(always(PAUSE))
    s.watch(heaters_off_after=600.0)
    s.start_print()
    await s.run(60)
    await s.die()
    await s.clock.advance(300)
    s.watch(heaters_off_after=600.0)
    await s.run(200)
    assert s.machine.commands == ["pause"]
    await s.run(150)
    assert s.machine.commands == ["pause", "M104 S0", "M140 S0"]


async def test_a_restart_while_it_heats_reports_the_beginning_once(scene: Make) -> None:
    s = scene()
    s.printer.numbers_jobs = False
    s.watch()
    s.machine.start()
    await s.run(30)
    await s.die()
    s.watch()
    await s.run(30)
    s.machine.print_on(1, 0.01)
    await s.run(60)
    assert s.kinds() == [Kind.PRINT_STARTED]
    assert len(s.judge.opened) == 1


async def test_another_print_of_the_same_file_is_a_new_print(scene: Make) -> None:
    s = scene(always(PAUSE), learns=False)
    s.watch()
    s.start_print()
    await s.run(60)
    s.machine.resume()
    await s.run(60)
    await s.die()
    s.machine.cancel()
    s.start_print()
    s.watch()
    await s.run(60)
    assert s.machine.commands == ["pause", "resume", "cancel", "pause"]
    assert len(s.judge.opened) == 2


async def test_a_print_that_ended_while_it_was_away_is_forgotten(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    await s.die()
    s.machine.finish()
    s.watch()
    await s.run(10)
    assert not s.note_path.exists()


async def test_a_print_that_is_over_leaves_no_note(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    assert s.note_path.exists()
    s.machine.finish()
    await s.run(10)
    assert not s.note_path.exists()


@pytest.mark.parametrize(
    "change", [{"levels": Levels(3, 1)}, {"server": "http://y"}], ids=["other levels", "another server"]
)
async def test_a_changed_configuration_opens_a_new_context_and_keeps_what_was_done(
    scene: Make, change: dict[str, Any]
) -> None:
    s = scene(always(PAUSE), learns=False)
    s.watch()
    s.start_print()
    await s.run(60)
    s.machine.resume()
    await s.run(30)
    await s.die()
    s.watch(**change)
    await s.run(300)
    assert len(s.judge.opened) == 2
    assert s.machine.commands == ["pause", "resume"]


async def test_watching_that_was_switched_off_stays_off(scene: Make) -> None:
    s = scene()
    await s.watch().set_enabled(False, "anna")
    await s.run(5)
    await s.die()
    watcher = s.watch()
    s.start_print()
    await s.run(60)
    assert s.judge.seen == []
    await watcher.set_enabled(True, "anna")
    await s.run(60)
    assert s.judge.seen
    await s.die()
    assert s.watch().enabled


async def test_switched_off_and_on_in_one_print_it_keeps_its_context(scene: Make) -> None:
    s = scene()
    watcher = s.watch()
    s.start_print()
    await s.run(60)
    await watcher.set_enabled(False, "anna")
    await s.run(60)
    await watcher.set_enabled(True, "anna")
    await s.run(60)
    assert len(s.judge.opened) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 3, "at": "now"}', '{"version": 1}', "\x00\xff"])
async def test_a_damaged_checkpoint_is_reported_and_the_print_treated_as_new(
    scene: Make, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    s = scene()
    s.note_path.parent.mkdir()
    s.note_path.write_text(text, encoding="latin-1")
    with caplog.at_level(logging.WARNING):
        s.watch()
    assert "treated as new" in caplog.text
    s.start_print()
    await s.run(60)
    assert len(s.judge.opened) == 1


async def test_a_folder_that_cannot_be_written_is_reported_once_and_stops_nothing(
    scene: Make, caplog: pytest.LogCaptureFixture
) -> None:
    s = scene(always(PAUSE))
    s.note_path.parent.write_text("a file stands where the folder should be")
    with caplog.at_level(logging.WARNING):
        s.watch()
        s.start_print()
        await s.run(120)
    assert s.machine.state == "paused"
    assert caplog.text.count("cannot be written") == 1


async def test_the_note_is_private_and_holds_nothing_secret(scene: Make) -> None:
    s = scene()
    s.watch()
    s.start_print()
    await s.run(60)
    assert stat.S_IMODE(s.note_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(s.note_path.parent.stat().st_mode) == 0o700
    assert [p.name for p in s.note_path.parent.iterdir()] == ["mk4.json"], "and leaves nothing beside it"
    assert set(note_of(s)) == {"version", *Checkpoint.__dataclass_fields__}
    assert may_be_kept(Context("c", "http://a/process/c", "http://b/process/c"))
    assert not may_be_kept(Context("c", "http://user:pw@a/c", "http://b/c")), (
        "an address with a login is not kept"
    )
    assert not may_be_kept(Context("c", "local:", "local:")), "nor one that dies with the process"


VERSION_2 = {
    "version": 2,
    "monotonic": 0.0,
    "job": "1",
    "file": "benchy.gcode",
    "elapsed": 60.0,
    "server": "http://x",
    "context_id": "c1",
    "process_url": "http://x/1",
    "fallback_url": "http://x/2",
    "warning_level": 3,
    "pause_level": 3,
    "next_at": 0.0,
    "untold": ["false_alarm"],
    "enabled": True,
    "in_print": True,
    "state": {
        "phase": "paused",
        "latch": {"warned": True, "acted": True, "clear": 0},
        "order": None,
        "ordered_at": 0.0,
        "heaters_off_at": 100.0,
        "stopping": {},
        "heating": {},
        "unseen": {},
    },
}


async def test_a_checkpoint_of_the_version_before_is_read(scene: Make) -> None:
    s = scene(always(PAUSE), learns=False)
    s.judge.opened.append((0.0, 3, 3))
    s.start_print()
    s.machine.pause()
    s.note_path.parent.mkdir()
    s.note_path.write_text(json.dumps({**VERSION_2, "at": SOME_DAY + s.clock.monotonic()}))
    s.watch(heaters_off_after=600.0)
    await s.run(90)
    assert s.machine.commands == ["pause"], "it is known for our pause"
    await s.run(30)
    assert s.machine.commands == ["pause", "M104 S0", "M140 S0"]
    s.machine.resume()
    await s.run(60)
    assert s.kinds() == [Kind.HEATERS_OFF, Kind.RESUMED]
    assert len(s.judge.opened) == 1 and s.judge.feedback_received == ["false_alarm", "resumed"]
    assert note_of(s)["version"] == 3
