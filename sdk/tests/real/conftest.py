"""Real printer software, each in an environment of its own, made at the first run and kept in `var/`.

OctoPrint and Moonraker want other versions of libraries than we do, so they get their own. $OCTOPRINT (its
`octoprint` program) and $MOONRAKER (its `python`) name others. Where they can neither be found nor installed
the tests fail, rather than skip: what was not tried is not known to work.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / "var" / "printers"
OCTOPRINT, MOONRAKER = "OctoPrint==1.11.8", "moonraker==0.11.0"
INSTALL_SECONDS = 900


def environment(*packages: str) -> Path:
    """The folder of programs of an environment with these packages."""
    folder = ENVIRONMENTS / packages[0].replace("==", "-").lower()
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            made = [sys.executable, "-m", "venv", str(folder)]
            installed = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *packages]
            for command in (made, installed):
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=INSTALL_SECONDS, cwd=ROOT
                )
                assert done.returncode == 0, (
                    f"{' '.join(packages)} cannot be installed:\n{done.stderr[-2000:]}"
                )
            (folder / "ready").touch()
    return folder / "bin"


@pytest.fixture(scope="session")
def octoprint_program() -> str:
    """OctoPrint's own program, with our plugin installed."""
    if os.environ.get("OCTOPRINT"):
        return os.environ["OCTOPRINT"]
    programs = environment(OCTOPRINT, "./sdk", "./deploy/octoprint-layerwatch")
    return str(programs / "octoprint")


@pytest.fixture(scope="session")
def moonraker_python() -> str:
    """The Python that has Moonraker."""
    return os.environ.get("MOONRAKER") or str(environment(MOONRAKER) / "python")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a socket's name in it may have about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="lw-") as name:
        yield Path(name)
