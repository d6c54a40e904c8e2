"""`evaluate-printers`: prints of one printer in order, with and without a memory from print to print."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from layerwatch.vision import Evidence
from layerwatch_train.cli import app
from layerwatch_train.temporal.printers import HEAD, Course, camera_moved, in_order, left_over, mirrored, row
from layerwatch_train.temporal.prints import Print
from tests.temporal.frames import INTERVAL, Camera

PICTURES, ONSET = 60, 30


def print_of(name: str, pictures: list[Evidence], onset: int | None = None) -> Print:
    """A print from pictures that are `INTERVAL` apart; onset: the picture from which it fails."""
    heat = np.array([np.frombuffer(one.heat.cells, np.uint8).reshape(8, 8) for one in pictures])
    return Print(
        name=name,
        seconds=INTERVAL * np.arange(len(pictures), dtype=np.float64),
        scores=np.array([one.failure_probability for one in pictures]),
        heat=heat,
        thumbnails=np.array([np.frombuffer(one.thumbnail, np.uint8) for one in pictures]),
        conditions=[one.condition for one in pictures],
        onset=None if onset is None else INTERVAL * onset,
    )


def healthy(seed: int) -> Print:
    camera = Camera(seed)
    return print_of(f"healthy {seed}", [camera.healthy() for _ in range(PICTURES)])


def failing(seed: int) -> Print:
    camera = Camera(seed)
    before = [camera.healthy() for _ in range(ONSET)]
    return print_of(f"failing {seed}", before + [camera.failing() for _ in range(PICTURES - ONSET)], ONSET)


def both(prints: list[Print]) -> tuple[Course, Course]:
    return in_order("without", [prints], remember=False), in_order("with", [prints], remember=True)


def test_from_its_second_print_on_a_printer_starts_from_a_memory() -> None:
    without, remembered = both([healthy(seed) for seed in range(4)])
    assert (without.remembered, remembered.remembered) == (0, 3)


def test_a_failing_print_is_caught_as_soon_with_a_memory_and_teaches_nothing() -> None:
    prints = [healthy(0), healthy(1), failing(2), healthy(3)]
    without, remembered = both(prints)
    for course in (without, remembered):
        assert (course.total.failing, course.total.warned, course.total.paused) == (1, 1, 1)
        assert course.total.false_warnings == course.total.false_pauses == 0
    assert remembered.total.to_pause == without.total.to_pause
    assert in_order("", [prints[2:]], remember=True).remembered == 0


def test_printers_share_no_memory() -> None:
    assert in_order("", [[healthy(0)], [healthy(1)]], remember=True).remembered == 0


def test_a_camera_that_was_moved_costs_no_more_than_a_print_without_a_memory() -> None:
    prints = camera_moved([healthy(0), healthy(1), failing(2)])
    without, remembered = both(prints)
    assert remembered.remembered == 0
    assert row(remembered).split("|")[3:] == row(without).split("|")[3:]


def test_the_mirror_turns_the_picture_and_the_map() -> None:
    one = failing(0)
    turned = mirrored(one)
    assert (turned.heat[:, :, 0] == one.heat[:, :, -1]).all()
    assert (turned.thumbnails[:, 31] == one.thumbnails[:, 0]).all()
    again = mirrored(turned)
    assert (again.heat == one.heat).all() and (again.thumbnails == one.thumbnails).all()


def test_a_failure_is_left_over_for_the_healthy_print_that_follows_it() -> None:
    prints = [healthy(0), failing(1), healthy(2), failing(3), failing(4)]
    ((at, begun),) = left_over(prints)
    assert at == 2 and begun.onset == 0.0 and begun.healthy_seconds == 0.0
    assert (begun.scores >= 0.9).all()
    assert begun.name == "healthy 2 after failing 1"


def test_one_that_looks_healthy_at_its_end_leaves_nothing() -> None:
    mended = failing(1)
    mended.scores[-1] = 0.1
    assert left_over([mended, healthy(2)]) == []


def test_the_first_ten_minutes_are_counted_apart() -> None:
    late = failing(0)
    late.onset, late.well_until = None, None  # all of its alarms are false
    course = in_order("", [[late]], remember=False)
    assert course.total.false_pauses == 1 and course.early.false_pauses == 0


@pytest.mark.timeout(600)
def test_the_command_judges_rendered_printers(tmp_path: Path) -> None:
    run = CliRunner()
    made = run.invoke(app, ["render-printers", str(tmp_path), "--printers", "1", "--prints", "2"])
    assert made.exit_code == 0, made.output
    judged = run.invoke(app, ["evaluate-printers", str(tmp_path)])
    assert judged.exit_code == 0, judged.output
    assert "1 rendered printers, 2 prints" in judged.stdout
    rows = judged.stdout[judged.stdout.index(HEAD) :].splitlines()[2:]
    names = [line.split("|")[1].strip() for line in rows]
    assert names == [
        f"{name}, {how} memory"
        for name in (
            "rendered",
            "rendered, camera moved after each print",
            "a failure left on the bed of the next print",
        )
        for how in ("without", "with")
    ]
    assert all(re.search(r"\| \d of \d \|", line) for line in rows)
