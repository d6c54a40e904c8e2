"""Our Moonraker clients against the real Moonraker."""

from __future__ import annotations

from pathlib import Path

import pytest
from watcher.tests.real.moonraker_real import run


@pytest.mark.timeout(1200)
async def test_a_prints_life_and_every_command(moonraker_python: str, folder: Path) -> None:
    assert await run(moonraker_python, folder) == 0
