"""Real printer software, each in an environment of its own, which `make printers` makes in `var/printers`.

OctoPrint and Moonraker want other versions of libraries than we do, so they get their own. $OCTOPRINT (its
`octoprint` program) and $MOONRAKER (its `python`) name others. Continuous integration makes them first, and
there the tests fail without them; elsewhere they are skipped, since they take minutes to install.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ENVIRONMENTS = Path(__file__).parents[3] / "var" / "printers"


def program(name: str, file: str) -> str:
    """A program of the environment `name`, once it is whole."""
    folder = ENVIRONMENTS / name
    if not (folder / "ready").exists():
        words = f"no {name} here: run `make printers` first"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return str(folder / "bin" / file)


@pytest.fixture(scope="session")
def octoprint_program() -> str:
    """OctoPrint's own program, with our plugin installed."""
    if os.environ.get("OCTOPRINT"):
        return os.environ["OCTOPRINT"]
    return program("octoprint", "octoprint")


@pytest.fixture(scope="session")
def moonraker_python() -> str:
    """The Python that has Moonraker."""
    return os.environ.get("MOONRAKER") or program("moonraker", "python")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a socket's name in it may have about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="lw-") as name:
        yield Path(name)
