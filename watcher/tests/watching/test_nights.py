"""Hours of a watched fleet in seconds: whatever befalls a print, the watcher says what is so, once, in time.

The long forms: `benchmarks/nights.py` (24 hours, 20 printers), `benchmarks/watch_faults.py` (each fault on
each kind of printer).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from watcher.tests.nights.each_fault import befall
from watcher.tests.nights.night import spend
from watcher.tests.nights.plant import KINDS
from watcher.tests.nights.scenarios import Scenario
from watcher.tests.nights.virtual_time import run


@pytest.mark.parametrize("seed", [1, 2])
def test_hours_of_five_printers(seed: int, tmp_path: Path) -> None:
    night = run(spend(2.0, 5, seed, tmp_path))
    assert night.wrong == []
    assert night.early == 0
    assert sum(night.befell.values()) >= 8
    assert night.messages["paused"] >= 1


@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [
        (Scenario("blind", "camera frozen"), ["camera_trouble", "camera_back"]),
        (Scenario("order", "answer lost, resumed"), ["warning", "paused", "resumed"]),
    ],
)
def test_a_fault_is_reported_alike_on_every_kind_of_printer(
    scenario: Scenario, kinds: list[str], tmp_path: Path
) -> None:
    outcomes = run(befall(scenario, tmp_path))
    assert set(outcomes) == set(KINDS)
    for outcome in outcomes.values():
        assert not outcome.wrong
        assert [kind for _, kind in outcome.messages] == kinds
