"""Looks after worker processes that serve one port: starts them, restarts what dies, ends them in order.

It holds every listening socket, too. So a connection that was not accepted yet when its worker died waits for
the next one and is not lost.
"""

from __future__ import annotations

import multiprocessing
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

import structlog

from layerwatch.config import Settings
from layerwatch.serving.server import GRACE_SECONDS
from layerwatch.serving.worker import MakeApp, WorkerSlot, make_app, work

log = structlog.get_logger(__name__)

HUNG_SECONDS = 30.0
"""A worker whose event loop did not turn for so long is killed. A long garbage collection, or a machine that
swaps, takes less."""

START_SECONDS = 600.0
"""How long a worker may take until it listens: migrations of others, a slow disk, the detector's trial."""

RESTART_DELAYS_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a restart, by the number of consecutive runs shorter than `STABLE_AFTER_S`."""

STABLE_AFTER_S = 30.0

EXIT_BAD_SETTINGS = 2
"""Exit status of a worker with invalid settings: restarting it would not help."""


class _Worker:
    """One slot, and the process that fills it."""

    def __init__(self, slot: WorkerSlot, listener: socket.socket) -> None:
        self.slot = slot
        self.listener = listener
        self.process: BaseProcess | None = None
        self.pipe: Connection | None = None
        self.ready = False
        self.heard = 0.0
        self.began = 0.0
        self.due = 0.0
        self.falls = 0


class Supervisor:
    """Worker processes on listening sockets, one each.

    settings: of the whole server; each worker takes its share.  ready: called once, when all of them listen.
    make: makes a worker's application; tests put their own in its place.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[socket.socket],
        *,
        make: MakeApp = make_app,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._given = dict(settings)
        self._listeners = listeners
        self._make = make
        self._ready = ready
        self._said_ready = False
        self._stopping = False
        self._status = 0
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    def run(self) -> int:
        """Serve until SIGINT or SIGTERM; the exit status. Only for a main thread."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with tempfile.TemporaryDirectory(prefix="layerwatch-") as folder:
                for number, listener in enumerate(self._listeners):
                    slot = WorkerSlot(number, len(self._listeners), Path(folder))
                    self._workers.append(_Worker(slot, listener))
                try:
                    while not self._stopping:
                        self._turn()
                finally:
                    self._end()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._status

    @property
    def pids(self) -> list[int | None]:
        """The workers' processes, in order of their seats."""
        return [worker.process.pid if worker.process else None for worker in self._workers]

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _turn(self) -> None:
        """Start who is due, hear who speaks, see who fell silent. Half a second at most."""
        now = time.monotonic()
        for worker in self._workers:
            if worker.process is None and now >= worker.due:
                self._start(worker)
        speakers: dict[object, _Worker] = {}
        for worker in self._workers:
            if worker.process is not None and worker.pipe is not None:
                speakers[worker.pipe] = speakers[worker.process.sentinel] = worker
        for speaker in wait(list(speakers), timeout=0.5):  # type: ignore[arg-type]
            worker = speakers[speaker]
            if isinstance(speaker, Connection) and worker.pipe is speaker:
                self._hear(worker)
        for worker in self._workers:
            self._look_at(worker)
        if not self._said_ready and all(worker.ready for worker in self._workers):
            self._said_ready = True
            self._ready()

    def _start(self, worker: _Worker) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=work,
            args=(self._make, self._given, worker.slot, worker.listener, theirs),
            name=f"layerwatch-worker-{worker.slot.number}",
        )
        process.start()
        theirs.close()
        worker.process, worker.pipe, worker.ready = process, ours, False
        worker.began = worker.heard = time.monotonic()

    def _hear(self, worker: _Worker) -> None:
        assert worker.pipe is not None
        with suppress(EOFError, OSError):
            while worker.pipe.poll():
                worker.pipe.recv()
                worker.ready, worker.heard = True, time.monotonic()

    def _look_at(self, worker: _Worker) -> None:
        """Restart it if it died; kill it if it hangs."""
        process, now = worker.process, time.monotonic()
        if process is None:
            return
        if process.is_alive():
            if now - worker.heard > (HUNG_SECONDS if worker.ready else START_SECONDS):
                log.error("worker_hangs", worker=worker.slot.number)
                process.kill()
            return
        process.join()
        if self._stopping:
            return
        if process.exitcode == EXIT_BAD_SETTINGS and not worker.ready:
            self._status, self._stopping = EXIT_BAD_SETTINGS, True
            return
        worker.falls = 0 if now - worker.began > STABLE_AFTER_S else worker.falls + 1
        pause = RESTART_DELAYS_S[min(worker.falls, len(RESTART_DELAYS_S) - 1)]
        log.error("worker_died", worker=worker.slot.number, status=process.exitcode, restart_in=pause)
        self._leave(worker)
        worker.due = now + pause

    def _leave(self, worker: _Worker) -> None:
        if worker.pipe is not None:
            worker.pipe.close()
        worker.process, worker.pipe, worker.ready = None, None, False

    def _end(self) -> None:
        """No new connections; what was accepted is finished; who does not finish in time is killed."""
        for listener in self._listeners:
            listener.close()
        running = [worker for worker in self._workers if worker.process is not None]
        for worker in running:
            assert worker.process is not None
            worker.process.terminate()
        latest = time.monotonic() + GRACE_SECONDS + 10.0
        for worker in running:
            assert worker.process is not None
            worker.process.join(max(0.0, latest - time.monotonic()))
            if worker.process.is_alive():
                log.error("worker_killed", worker=worker.slot.number)
                worker.process.kill()
                worker.process.join()
            self._leave(worker)
