"""`layerwatch serve --workers`: the real server in several processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cli.test_serve import SERVE, environment, needs_detector, new_key, serving

# Three processes that import a server take seconds, and minutes on a machine that is busy with other things.
pytestmark = pytest.mark.timeout(600)


def children(pid: int) -> list[psutil.Process]:
    return [one for one in psutil.Process(pid).children() if "spawn_main" in " ".join(one.cmdline())]


def until(true: Callable[[], bool], seconds: float = 240.0) -> None:
    latest = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.2)


@needs_detector
def test_two_workers_serve_one_survives_the_other_and_all_exit_on_a_signal(tmp_path: Path) -> None:
    with serving("--workers", "2", "--data-dir", str(tmp_path)) as (process, said):
        key = new_key(tmp_path)

        def get(path: str) -> httpx.Response:
            return httpx.get(f"{said['url']}{path}", trust_env=False, timeout=120)

        def opened() -> dict[str, int]:
            """Contexts opened, by worker."""
            found = re.findall(r'layerwatch_contexts_total\{worker="(\d)"\} (\d+)', get("/metrics").text)
            return {worker: int(number) for worker, number in found}

        def open_context() -> int:
            url = f"{said['url']}/api/gadget/v1/createcontext"
            return httpx.post(url, headers={"X-API-Key": key}, trust_env=False, timeout=120).status_code

        assert [open_context() for _ in range(30)] == [200] * 30
        counted = opened()
        assert sum(counted.values()) == 30
        assert min(counted.values()) > 0

        before = children(process.pid)
        os.kill(before[0].pid, signal.SIGKILL)
        assert [open_context() for _ in range(10)] == [200] * 10
        until(lambda: len(opened()) == 2 and len(children(process.pid)) == 2)

        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in before[1:])


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_number_of_workers_that_is_none_is_said(tmp_path: Path, number: str) -> None:
    result = subprocess.run(
        [*SERVE, "--port", "0", "--data-dir", str(tmp_path), f"--workers={number}"],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "workers" in result.stderr
    assert "Traceback" not in result.stderr
