"""Watchers of one OctoPrint, one after the other, each a process of its own that a test kills.

`python -m watcher.tests.stand_ins.watcher_process FOLDER OCTOPRINT CAMERA SERVICE SPEED`

For each line on standard input a watcher is born, by a fork, which takes milliseconds where an interpreter's
start takes a second. Its process id is written, and an empty line when it is dead.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from layerwatch_sdk.async_client import AsyncClient
from layerwatch_sdk.testing import KEY
from layerwatch_watcher.cameras.http import HttpCamera
from layerwatch_watcher.printers.octoprint import OctoPrint
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.checkpoint import CheckpointStore
from layerwatch_watcher.watching.clock import FastClock
from layerwatch_watcher.watching.print_watcher import PrintWatcher
from layerwatch_watcher.watching.watched import Watched


async def main() -> None:
    folder, octoprint, camera, service, speed = sys.argv[1:]
    factor = float(speed)
    judge = AsyncClient(KEY, service, clock=FastClock(factor))
    watcher = PrintWatcher(
        Watched("octo", OctoPrint(octoprint, "octo-key"), {"camera": HttpCamera(camera)}),
        judge,
        ActionLog(Path(folder) / "actions.jsonl"),
        lambda _: None,
        server=service,
        memory=CheckpointStore(Path(folder) / "octo.json", lambda: time.time() * factor),
    )
    await watcher.run()


def die_with_parent() -> None:
    """Where the system has it (Linux): nothing that a test left behind lives on."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    die_with_parent()
    for _ in sys.stdin:
        born = os.fork()
        if born == 0:
            die_with_parent()
            asyncio.run(main())
        print(born, flush=True)
        os.waitpid(born, 0)
        print(flush=True)
