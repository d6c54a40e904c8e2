"""No secret in logs: a pytest plugin that fails the run if any secret made in it occurs in any log of it.

Secrets are noted where they are made (keys, passwords, sessions, links, one-time-code, webhook, SMTP and
payment secrets, the installation's own), and log events copied whatever their level, in the tests' process
and in every process that a test starts; `watched/sitecustomize.py` does both. At the end of the run the one
is looked for in the other. `tests/test_secret_watch.py` shows that it fails.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WINDOW = 16
"""Characters of a secret that are looked up at once, at each place of the log."""


class SecretWatch:
    """The watch over one test run."""

    def __init__(self, shared: str | None = None) -> None:
        """shared: the folder of a run that this process is a part of, and that looks at the end."""
        self.shared = shared is not None
        self.folder = Path(shared or tempfile.mkdtemp(prefix="lw-watch-"))
        self._environment = {"LW_TEST_WATCH": os.environ.get("LW_TEST_WATCH")}
        self._environment["PYTHONPATH"] = os.environ.get("PYTHONPATH")
        os.environ["LW_TEST_WATCH"] = str(self.folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(HERE / "watched"), os.environ.get("PYTHONPATH")))
        )
        # (where in the log it began, which test)
        self._tests: list[tuple[int, str]] = []
        self.found: list[str] = []

    def began(self, test: str) -> None:
        """A test begins: what is logged from here on is likely its own."""
        log = self.folder / "log"
        self._tests.append((log.stat().st_size if log.exists() else 0, test))

    def look(self) -> list[str]:
        """What occurs in the log that should not, a line each, without the secret itself."""
        log = _read(self.folder / "log")
        noted = {
            secret: kind for kind, secret in map(json.loads, _read(self.folder / "secrets").splitlines())
        }
        self.found = sorted(
            {
                f"{noted[secret]} of {len(secret)} characters: {self._test_at(log, place)}"
                for secret, place in occurring(noted, log)
            }
        )
        return self.found

    def end(self) -> None:
        """Leave everything as it was."""
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if not self.shared:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _test_at(self, log: str, place: int) -> str:
        offset = len(log[:place].encode())
        return next((test for begin, test in reversed(self._tests) if begin <= offset), "before any test")


def occurring(secrets: Iterable[str], log: str) -> Iterator[tuple[str, int]]:
    """The secrets that occur in a log, and where first."""
    long: dict[str, list[str]] = {}
    for secret in secrets:
        if len(secret) < WINDOW:
            place = log.find(secret)
            if place >= 0:
                yield secret, place
        else:
            long.setdefault(secret[:WINDOW], []).append(secret)
    for place in range(len(log) - WINDOW + 1):
        for secret in long.get(log[place : place + WINDOW], ()):
            if log.startswith(secret, place):
                yield secret, place


def _read(path: Path) -> str:
    return path.read_text("utf-8", "backslashreplace") if path.exists() else ""


_WATCH = pytest.StashKey[SecretWatch]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin before any test module is imported."""
    worker = hasattr(config, "workerinput")  # one of several processes of pytest-xdist
    watch = config.stash[_WATCH] = SecretWatch(os.environ.get("LW_TEST_WATCH") if worker else None)
    config.add_cleanup(watch.end)
    spec = importlib.util.spec_from_file_location("secret_notes", HERE / "watched" / "sitecustomize.py")
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Keep which test is under way."""
    item.config.stash[_WATCH].began(item.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look, and fail the run."""
    watch = session.config.stash[_WATCH]
    if watch.shared:  # who began the run looks, once all are done
        return
    if watch.look() and session.exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was found, and about during which test."""
    found = config.stash[_WATCH].found
    if found:
        terminalreporter.section("SECRETS IN LOGS", red=True)
        for line in found:
            terminalreporter.write_line(line)
