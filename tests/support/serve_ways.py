"""The ways in which a server can be run, for tests that must hold for each: in this process, by several
workers, on Ray Serve. Clock and detector are steered by files, as they may live in other processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from layerwatch.app import create_app
from layerwatch.config import Settings
from layerwatch.serving.server import Server
from layerwatch.serving.sockets import listen
from layerwatch.vision import Vision
from tests.support import ray_cluster
from tests.support.ray_cluster import ROOT
from tests.support.shared_doubles import SharedClock, SharedDetector


@contextmanager
def in_this_process(settings: Settings) -> Iterator[None]:
    """One process, this one."""
    folder = settings.data_dir
    app = create_app(settings, clock=SharedClock(folder), vision=Vision(SharedDetector(folder)))
    listener = listen("127.0.0.1", settings.port)
    server = Server(app, grace=5)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    ray_cluster.wait_for(lambda: server.started, 20, thread.is_alive)
    yield
    server.should_exit = True
    thread.join(20)
    listener.close()
    assert not thread.is_alive(), "the server did not stop"


@contextmanager
def by_workers(settings: Settings) -> Iterator[None]:
    """Two worker processes on the one port."""
    given = _given(settings) | {"workers": 2}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.several_workers", json.dumps(given)], cwd=ROOT
    )
    ray_cluster.wait_for((settings.data_dir / "ready").exists, 120, lambda: process.poll() is None)
    yield
    process.terminate()
    assert process.wait(60) == 0


@contextmanager
def on_ray(settings: Settings) -> Iterator[None]:
    """Ray Serve, in a Ray of its own."""
    args = _given(settings) | {"log_level": "error"}
    with ray_cluster.cluster() as cluster:
        cluster.deploy(
            ray_cluster.serve_file(settings.port, args, application="tests.support.on_ray:application")
        )
        ray_cluster.wait_for(lambda: ray_cluster.answers(f"http://127.0.0.1:{settings.port}/readyz"), 300)
        yield


WAYS: dict[str, Callable[[Settings], Any]] = {
    "one": in_this_process,
    "workers": by_workers,
    "ray": on_ray,
}


def _given(settings: Settings) -> dict[str, Any]:
    given: dict[str, Any] = settings.model_dump(mode="json", exclude_unset=True)
    return given
