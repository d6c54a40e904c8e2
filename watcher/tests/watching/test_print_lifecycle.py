"""A print's life, from what its printer says: the same print, or another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from layerwatch_watcher.printers.base import PrinterState, PrinterStatus
from layerwatch_watcher.watching.print_lifecycle import PauseFlag, PrintLife, Step

S = PrinterState
PRINTING = PrinterStatus(S.PRINTING, None, "a.gcode", 0.3, 600.0)
PAUSED = replace(PRINTING, state=S.PAUSED)


@pytest.mark.parametrize(
    ("before", "now", "another"),
    [
        (PAUSED, {"elapsed": 601.0}, False),
        (PAUSED, {"elapsed": 0.0, "progress": 0.0}, True),
        (PAUSED, {"elapsed": None, "progress": None}, True),
        (PAUSED, {"elapsed": None, "progress": 0.0}, True),
        (PAUSED, {"elapsed": None, "progress": 0.3}, False),
        (replace(PAUSED, elapsed=20.0), {"elapsed": 1.0, "progress": 0.0}, True),
        (replace(PRINTING, elapsed=20.0), {"elapsed": 1.0}, False),
        (PRINTING, {"elapsed": 500.0}, True),
        (PRINTING, {"file": "b.gcode"}, True),
        (replace(PRINTING, elapsed=None), {"elapsed": None, "progress": 0.31}, False),
        (replace(PRINTING, elapsed=None), {"elapsed": None, "progress": 0.0}, True),
        (replace(PRINTING, job="7"), {"job": "8"}, True),
        (replace(PRINTING, job="7"), {"job": "7", "elapsed": 0.0}, False),
    ],
)
def test_a_print_that_goes_back_is_another(before: PrinterStatus, now: dict[str, Any], another: bool) -> None:
    life = PrintLife()
    life.follow(before)
    steps = life.follow(replace(PRINTING, **now))
    assert (Step.ENDED in steps and Step.BEGUN in steps) is another


def test_the_end_of_the_last_layer_is_a_step_and_not_the_end() -> None:
    life = PrintLife()
    assert life.follow(PRINTING) == [Step.BEGUN, Step.PRINTING]
    assert life.follow(replace(PRINTING, state=S.FINISHING)) == [Step.FINISHING]
    assert life.follow(replace(PRINTING, state=S.FINISHING)) == []
    assert life.follow(replace(PRINTING, state=S.FINISHED)) == [Step.ENDED]


def test_a_halt_before_the_first_layer_and_its_end_are_steps() -> None:
    life, heats = PrintLife(), replace(PRINTING, state=S.PREPARING)
    assert life.follow(heats) == [Step.BEGUN]
    assert life.follow(PAUSED) == [Step.STOOD]
    assert life.follow(PAUSED) == []
    assert life.follow(heats) == [Step.HEATING_AGAIN]
    assert life.follow(PRINTING) == [Step.PRINTING]


def test_a_pause_flag_is_believed_until_the_print_time_has_grown() -> None:
    flag = PauseFlag()
    stuck = replace(PAUSED, print_time=600.0)
    assert flag.believed(stuck, 0.0).state is S.PAUSED
    assert flag.believed(replace(stuck, print_time=605.0), 5.0).state is S.PAUSED
    assert flag.believed(replace(stuck, print_time=610.0), 10.0).state is S.PRINTING
    assert flag.believed(replace(stuck, print_time=610.0), 15.0).state is S.PRINTING
    assert flag.believed(replace(stuck, print_time=610.0), 25.0).state is S.PAUSED, "now it stands still"
    assert flag.believed(PAUSED, 30.0).state is S.PAUSED, "its flags agree"
