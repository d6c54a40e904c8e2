"""The ways in which a server can be run, for tests that must hold for each: in this process, by several
workers, on Ray Serve. Clock and detector are steered by files, as they may live in other processes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from layerwatch.app import create_app
from layerwatch.config import Settings
from layerwatch.vision import Vision
from tests.support.shared_doubles import SharedClock, SharedDetector

ROOT = Path(__file__).parents[2]
RAY_CPUS, RAY_PORT = 2, 6399


@contextmanager
def in_this_process(settings: Settings) -> Iterator[None]:
    """One process, this one."""
    folder = settings.data_dir
    app = create_app(settings, clock=SharedClock(folder), vision=Vision(SharedDetector(folder)))
    server = uvicorn.Server(
        uvicorn.Config(app, port=settings.port, log_level="warning", http="httptools", loop="uvloop")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    _wait_for(lambda: server.started, 20, thread.is_alive)
    yield
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive(), "the server did not stop"


@contextmanager
def by_workers(settings: Settings) -> Iterator[None]:
    """Two worker processes on the one port."""
    given = _given(settings) | {"workers": 2}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.several_workers", json.dumps(given)], cwd=ROOT
    )
    _wait_for((settings.data_dir / "ready").exists, 120, lambda: process.poll() is None)
    yield
    process.terminate()
    assert process.wait(60) == 0


@contextmanager
def on_ray(settings: Settings) -> Iterator[None]:
    """A Ray of its own on this machine, small, and ended afterwards."""
    program = Path(sys.executable).parent
    # A short path: Ray makes sockets in it, whose names may have 108 characters.
    folder = tempfile.mkdtemp(prefix="lw-ray-", dir="/tmp")
    environment = os.environ | {
        "RAY_TMPDIR": folder,
        "RAY_ADDRESS": f"127.0.0.1:{RAY_PORT}",
        "RAY_USAGE_STATS_ENABLED": "0",
        # On a busy machine Ray would take its own proxy for dead and start it again and again.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
        "PYTHONPATH": str(ROOT),
    }
    serve_file = Path(folder) / "serve.yaml"
    serve_file.write_text(json.dumps(_serve_file(settings)))

    head = ["--node-ip-address=127.0.0.1", f"--port={RAY_PORT}", f"--num-cpus={RAY_CPUS}"]
    small = ["--include-dashboard=false", "--object-store-memory=100000000", "--disable-usage-stats"]
    # --block, so that ending this process ends this Ray; `ray stop` would end every one on the machine.
    ray = subprocess.Popen(
        [program / "ray", "start", "--head", "--block", *head, *small], env=environment, cwd=ROOT
    )
    try:
        _wait_for(lambda: _listens(RAY_PORT), 240, lambda: ray.poll() is None)
        deploy = [program / "serve", "run", "--non-blocking", serve_file]
        subprocess.run(deploy, env=environment, cwd=ROOT, check=True, timeout=240)
        _wait_for(lambda: _answers(f"http://127.0.0.1:{settings.port}/readyz"), 300)
        yield
    finally:
        ray.terminate()
        ray.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


WAYS: dict[str, Callable[[Settings], Any]] = {
    "one": in_this_process,
    "workers": by_workers,
    "ray": on_ray,
}


def _given(settings: Settings) -> dict[str, Any]:
    given: dict[str, Any] = settings.model_dump(mode="json", exclude_unset=True)
    return given


def _serve_file(settings: Settings) -> dict[str, Any]:
    return {
        "http_options": {"host": "127.0.0.1", "port": settings.port, "request_timeout_s": 90},
        "logging_config": {"log_level": "ERROR", "enable_access_log": False},
        "applications": [
            {
                "name": "layerwatch",
                "route_prefix": "/",
                "import_path": "tests.support.on_ray:application",
                "args": _given(settings) | {"log_level": "error"},
                "deployments": [
                    {"name": "Detectors", "user_config": {"model": str(settings.data_dir)}},
                ],
            }
        ],
    }


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def _wait_for(true: Callable[[], bool], seconds: float, still: Callable[[], bool] = lambda: True) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until and still(), "the server did not start"
        time.sleep(0.02)
