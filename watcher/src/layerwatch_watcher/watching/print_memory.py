"""What is kept of one printer's print for a restart of the watcher, and taken up again after it."""

from __future__ import annotations

import logging
from typing import Optional, Tuple

from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.models import Context
from layerwatch_watcher.printers.base import PrinterState, PrinterStatus
from layerwatch_watcher.watching.checkpoint import Checkpoint, CheckpointStore, KeptSession, may_be_kept
from layerwatch_watcher.watching.print_cameras import PrintCameras
from layerwatch_watcher.watching.print_session import Levels, PrintSession
from layerwatch_watcher.watching.watch_state import WatchState

log = logging.getLogger("layerwatch_watcher")


class PrintMemory:
    """The memory of the printer called `name`, whose prints are judged by `server` at `levels`."""

    def __init__(
        self, store: CheckpointStore, name: str, server: str, levels: Levels, clock: AsyncClock
    ) -> None:
        self._store = store
        self._name = name
        self._server = server
        self._levels = levels
        self._clock = clock
        self.was_enabled = store.kept is None or store.kept.enabled
        """Whether the watching was switched on before the restart."""

    def recall(self, status: PrinterStatus, *, enabled: bool) -> Optional[Checkpoint]:
        """After a restart, the print that was under way, if `status` shows that it still is. Once."""
        kept, self._store.kept = self._store.kept, None
        if kept is None:
            return None
        if status.state is PrinterState.OFFLINE:
            self._store.kept = kept
        elif status.state.in_print and kept.is_of(status, self._store.now()):
            return kept
        elif kept.in_print:
            log.info("%s: the print that was watched before the restart is over", self._name)
            self._store.forget(enabled=enabled)
        return None

    def state_of(self, kept: Checkpoint) -> WatchState:
        """What was done to the print, with moments of this process's clock."""
        return kept.state_on(self._store.now(), self._clock.monotonic())

    def session_of(
        self, kept: Optional[Checkpoint], camera: str
    ) -> Tuple[Optional[Context], float, Tuple[str, ...]]:
        """The camera's context, seconds until its next picture, and feedback that is still to be sent."""
        if kept is None:
            return None, 0.0, ()
        levels = self._levels
        one = kept.session(camera, self._server, levels.warning, levels.pause)
        context = (
            Context(one.context_id, one.process_url, one.fallback_url, levels.warning, levels.pause)
            if one.context_id
            else None
        )
        return context, one.wait(self._store.now()), one.untold if context is not None else ()

    def keep(
        self, status: PrinterStatus, cameras: PrintCameras, state: WatchState, *, enabled: bool, durable: bool
    ) -> None:
        """Write down where the print is. durable: on the disk when this returns."""
        if not status.state.in_print:
            return
        now = self._store.now()
        checkpoint = Checkpoint(
            now,
            self._clock.monotonic(),
            status.job,
            status.file,
            status.elapsed,
            server=self._server,
            warning_level=self._levels.warning,
            pause_level=self._levels.pause,
            sessions={name: _kept(session, now) for name, session in cameras},
            enabled=enabled,
            state=state,
        )
        self._store.write(checkpoint, durable=durable)

    def forget(self, *, enabled: bool) -> None:
        """The print is over. Only that the watching was switched off is kept."""
        self._store.forget(enabled=enabled)


def _kept(session: PrintSession, now: float) -> KeptSession:
    context = session.context
    if context is None or not may_be_kept(context):
        return KeptSession(next_at=now + session.due_in, untold=session.untold)
    return KeptSession(
        context.context_id, context.process_url, context.fallback_url, now + session.due_in, session.untold
    )
