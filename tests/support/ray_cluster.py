"""A small Ray of one's own on this machine, with one Serve file; ended afterwards, and no other with it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
PORT = 6399


@dataclass(frozen=True)
class Cluster:
    """A running Ray. pid: of the process whose children are all of Ray's."""

    pid: int
    environment: dict[str, str]
    folder: Path

    def deploy(self, serve_file: dict[str, Any]) -> None:
        """Bring the cluster to what a Serve file says; returns before it is there."""
        path = self.folder / "serve.yaml"
        path.write_text(json.dumps(serve_file))
        program = [Path(sys.executable).parent / "serve", "run", "--non-blocking", path]
        subprocess.run(program, env=self.environment, cwd=ROOT, check=True, timeout=240)


@contextmanager
def cluster(cpus: int = 2) -> Iterator[Cluster]:
    """A cluster of this machine, with so many CPUs in Ray's account."""
    # A short path: Ray makes sockets in it, whose names may have 108 characters.
    folder = Path(tempfile.mkdtemp(prefix="lw-ray-", dir="/tmp"))
    environment = os.environ | {
        "RAY_TMPDIR": str(folder),
        "RAY_ADDRESS": f"127.0.0.1:{PORT}",
        "RAY_USAGE_STATS_ENABLED": "0",
        # By its name for other systems, but on Linux, too: else Ray's commands make of 127.0.0.1 the address
        # of this machine in its network, and all of this is to stay on the loopback.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # On a busy machine Ray would take its own proxy for dead and start it again and again.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
        "PYTHONPATH": str(ROOT),
    }
    head = ["--node-ip-address=127.0.0.1", f"--port={PORT}", f"--num-cpus={cpus}"]
    small = ["--include-dashboard=false", "--object-store-memory=100000000", "--disable-usage-stats"]
    # --block, so that ending this process ends this Ray; `ray stop` would end every one on the machine.
    ray = subprocess.Popen(
        [Path(sys.executable).parent / "ray", "start", "--head", "--block", *head, *small],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _listens(PORT), 240, lambda: ray.poll() is None)
        yield Cluster(ray.pid, environment, folder)
    finally:
        ray.terminate()
        ray.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def serve_file(
    port: int,
    args: dict[str, Any],
    *deployments: dict[str, Any],
    application: str = "layerwatch.rayserve:application",
) -> dict[str, Any]:
    """A Serve file with one application on 127.0.0.1. args: the application's settings."""
    return {
        "http_options": {"host": "127.0.0.1", "port": port, "request_timeout_s": 90},
        "logging_config": {"log_level": "ERROR", "enable_access_log": False},
        "applications": [
            {
                "name": "layerwatch",
                "route_prefix": "/",
                "import_path": application,
                "args": args,
                "deployments": list(deployments),
            }
        ],
    }


def wait_for(true: Callable[[], bool], seconds: float, still: Callable[[], bool] = lambda: True) -> None:
    """Wait until `true()`. Raises AssertionError after `seconds`, or when `still()` is false."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until and still(), "the server did not start"
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        return httpx.get(url, trust_env=False, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
