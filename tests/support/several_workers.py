"""`layerwatch serve --workers` with a clock and a detector that a test steers: `python -m` this, with its
settings as one JSON object."""

from __future__ import annotations

import json
import sys

from starlette.applications import Starlette

from layerwatch.app import create_app
from layerwatch.config import Settings
from layerwatch.serving.sockets import listen_for
from layerwatch.serving.supervisor import Supervisor
from layerwatch.serving.worker import WorkerSlot
from layerwatch.telemetry import logging
from layerwatch.vision import Vision
from tests.support.shared_doubles import SharedClock, SharedDetector


def make(settings: Settings, seat: WorkerSlot) -> Starlette:
    folder = settings.data_dir
    return create_app(
        settings, clock=SharedClock(folder), vision=Vision(SharedDetector(folder)), **seat.options()
    )


def main() -> int:
    settings = Settings(**json.loads(sys.argv[1]))
    logging.configure("error", "json")
    listeners = listen_for(settings.processes, settings.host, settings.port)
    ready = settings.data_dir / "ready"
    return Supervisor(settings, listeners, make=make, ready=lambda: ready.touch()).run()


if __name__ == "__main__":
    sys.exit(main())
