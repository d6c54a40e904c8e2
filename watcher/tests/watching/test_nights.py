"""Hours of a watched fleet in seconds: whatever befalls a print, the watcher says what is so, once, in time.

The long form is `benchmarks/nights.py`: 24 hours, 20 printers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from watcher.tests.nights.night import spend
from watcher.tests.nights.virtual_time import run


@pytest.mark.parametrize("seed", [1, 2])
def test_hours_of_five_printers(seed: int, tmp_path: Path) -> None:
    night = run(spend(2.0, 5, seed, tmp_path))
    assert night.wrong == []
    assert night.early == 0
    assert sum(night.befell.values()) >= 8
    assert night.messages["paused"] >= 1
