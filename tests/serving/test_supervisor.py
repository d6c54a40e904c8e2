"""Several worker processes on one port: what the supervisor promises."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]

# Three processes that import a server take seconds, and minutes on a machine that is busy with other things.
pytestmark = pytest.mark.timeout(600)
START_SECONDS = 240


@dataclass
class Started:
    process: subprocess.Popen[str]
    url: str
    pids: list[int]

    def get(self, path: str) -> httpx.Response:
        """One call on a connection of its own."""
        return httpx.get(self.url + path, trust_env=False, timeout=120)

    def who(self) -> dict[str, int]:
        answer: dict[str, int] = self.get("/who").json()
        return answer


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Two workers that listen, for tests that leave them alive."""
    with start(tmp_path_factory.mktemp("lasting")) as made:
        yield made


@contextmanager
def start(tmp_path: Path) -> Iterator[Started]:
    file = tmp_path / "listens"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.serving.small", str(file), "2", "local", str(tmp_path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + START_SECONDS
        while not file.exists():
            assert process.poll() is None and time.monotonic() < until, "it did not start"
            time.sleep(0.02)
        state = json.loads(file.read_text())
        yield Started(process, f"http://127.0.0.1:{state['port']}", state["pids"])
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if sys.platform == "linux" else True


def wait_until(true: object, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.05)


def test_connections_go_to_both(lasting: Started) -> None:
    # Each goes to either by chance: all of 40 to one of them happens once in 5 * 10^11 times.
    assert {lasting.who()["number"] for _ in range(40)} == {0, 1}


def test_a_worker_that_dies_is_replaced_and_its_waiting_requests_are_answered(lasting: Started) -> None:
    first = lasting.who()["pid"]
    os.kill(first, signal.SIGKILL)
    with ThreadPoolExecutor(20) as pool:  # at once, before it can be back: some of them fall to the dead one
        workers = list(pool.map(lambda _: lasting.who(), range(40)))
    assert {one["number"] for one in workers} == {0, 1}
    assert first not in {one["pid"] for one in workers}


def test_a_worker_whose_event_loop_hangs_is_replaced(lasting: Started) -> None:
    with pytest.raises(httpx.HTTPError):
        lasting.get("/hang")  # answered by nobody: its worker is killed
    assert {lasting.who()["number"] for _ in range(40)} == {0, 1}


def test_what_was_accepted_is_answered_before_they_end(tmp_path: Path) -> None:
    with start(tmp_path) as started:
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(started.get, "/slow") for _ in range(8)]
            wait_until(lambda: len(list(tmp_path.glob("slow-*"))) == 8)
            started.process.send_signal(signal.SIGTERM)
            (tmp_path / "go").touch()
            assert [call.result().status_code for call in calls] == [200] * 8
        assert started.process.wait(120) == 0
        assert not any(alive(pid) for pid in started.pids)
        with pytest.raises(httpx.ConnectError):
            started.get("/who")


def test_they_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with start(tmp_path) as started:
        started.process.kill()
        wait_until(lambda: not any(alive(pid) for pid in started.pids))


def test_settings_that_cannot_work_end_it_at_once_with_what_is_wrong(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.serving.small", str(tmp_path / "listens"), "2", "wrong", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert ended.returncode == 2
    assert "Error: this region is wrong" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_another_server_on_the_port_is_refused_not_joined(lasting: Started) -> None:
    from layerwatch.serving.sockets import listen_for

    port = int(lasting.url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="cannot listen"):
        listen_for(2, "127.0.0.1", port)
