"""One worker process of several."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from layerwatch.config import Settings
from layerwatch.core.errors import UserError
from layerwatch.serving import gc_tuning
from layerwatch.serving.peers import WorkerPeers


@dataclass(frozen=True, slots=True)
class WorkerSlot:
    """A worker's place: which of how many, and the folder in which its siblings are found."""

    number: int
    of: int
    folder: Path

    def share(self, settings: Settings, cores: int) -> Settings:
        """This worker's share of what the settings give to the whole server.

        cores: those of the machine, if the settings leave it open how many threads the detector has.
        """
        return settings.model_copy(
            update={
                "detector_threads": max(1, (settings.detector_threads or cores) // self.of),
                "queue_length": max(2, -(-settings.queue_length // self.of)),
                "upload_memory": max(1, settings.upload_memory // self.of),
                "connections_per_address": -(-settings.connections_per_address // self.of),
            }
        )

    def options(self) -> dict[str, Any]:
        """What `create_app` is to know of it."""
        return {
            "slot": str(self.number),
            "peers": lambda metrics, recent: WorkerPeers(self.folder, self.number, metrics.text, recent.held),
        }


MakeApp = Callable[[Settings, WorkerSlot], Starlette]
"""Makes the application of a worker, in its process; must be importable by name."""


def make_app(settings: Settings, slot: WorkerSlot) -> Starlette:
    """The server's application, as one of several."""
    from layerwatch.app import create_app
    from layerwatch.core.cores import usable_cores

    return create_app(slot.share(settings, usable_cores()), **slot.options())


def work(
    make: MakeApp, given: dict[str, Any], slot: WorkerSlot, listener: socket.socket, parent: Connection
) -> None:
    """A worker's main function, in its own process. It ends with the supervisor, however that ends."""
    gc_tuning.hold()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us all; the supervisor says when to end
    from layerwatch.serving.server import serve
    from layerwatch.storage import StorageUnavailable
    from layerwatch.telemetry.logging import configure
    from layerwatch.vision.errors import ModelError

    settings = Settings(**given)
    configure(settings.log_level, settings.log_format, worker=slot.number)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()

    def alive() -> None:
        with suppress(OSError):
            parent.send(None)

    try:
        app = make(settings, slot)
    except (UserError, ModelError, StorageUnavailable, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)
    sys.exit(serve(app, listener, alive))


def _end_with(parent: Connection) -> None:
    """Wait until the supervisor is gone, then end as on SIGTERM."""
    with suppress(EOFError, OSError):
        parent.recv()
    os.kill(os.getpid(), signal.SIGTERM)
