"""One printer, watched from print to print: a context for each, and the policy carried out."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Callable, Optional, Tuple

from layerwatch_sdk.models import PrintPosition
from layerwatch_watcher.notifications.event import Event, Kind
from layerwatch_watcher.printers.base import PrinterError, PrinterState, PrinterStatus
from layerwatch_watcher.printers.camera_only import CameraOnly
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.action_runner import reason
from layerwatch_watcher.watching.alarm_response import AlarmResponse
from layerwatch_watcher.watching.bed_check import BedInspector
from layerwatch_watcher.watching.bed_gate import BedGate
from layerwatch_watcher.watching.checkpoint import Checkpoint, CheckpointStore
from layerwatch_watcher.watching.heater_shutoff import HeaterShutoff
from layerwatch_watcher.watching.inspector import Inspector
from layerwatch_watcher.watching.policy import STOPS, Action
from layerwatch_watcher.watching.print_cameras import PrintCameras, open_sessions
from layerwatch_watcher.watching.print_lifecycle import PrintLife, Step
from layerwatch_watcher.watching.print_memory import PrintMemory
from layerwatch_watcher.watching.print_reports import PrintReports
from layerwatch_watcher.watching.print_session import Look
from layerwatch_watcher.watching.status_reader import StatusReader, missing
from layerwatch_watcher.watching.verdicts import CALMING, VERDICTS
from layerwatch_watcher.watching.watch_state import BedStep, Phase, WatchState
from layerwatch_watcher.watching.watchdog import BLIND_S, PRINTER, Watchdog
from layerwatch_watcher.watching.watched import Watched

POLL_SECONDS = 5.0
"""How often a printer is polled. A resume is noticed within this time."""


class PrintWatcher:
    """Watches one printer until cancelled.

    tell: is given every event; must return at once.  server: the service's address, for messages.
    on_look: is given every look, for a screen or Home Assistant.
    memory: what was kept of the print under way; without one, a restart treats the print as new.
    beds: the service that checks beds before a print, where it does.
    """

    def __init__(
        self,
        watched: Watched,
        inspector: Inspector,
        journal: ActionLog,
        tell: Callable[[Event], None],
        *,
        server: str = "the service",
        on_look: Optional[Callable[[PrintWatcher, Look], None]] = None,
        memory: Optional[CheckpointStore] = None,
        beds: Optional[BedInspector] = None,
    ) -> None:
        self.watched = watched
        self.name = watched.name
        self.status: Optional[PrinterStatus] = None
        self._memory = PrintMemory(
            memory or CheckpointStore(), watched.name, server, watched.levels, inspector.clock
        )
        self.enabled = self._memory.was_enabled
        self._inspector = inspector
        self._clock = inspector.clock
        self._reports = PrintReports(watched.name, journal, tell, lambda: self.status)
        self._server = server
        self._on_look = on_look
        self._kept: Optional[Checkpoint] = None
        self._life = PrintLife()
        self._state = WatchState()
        self._cameras: Optional[PrintCameras] = None
        self._reader = StatusReader(watched.printer, inspector.clock)
        self._reading = asyncio.Lock()
        self._read_at = 0.0
        self._alarms = AlarmResponse(
            watched,
            journal,
            inspector.clock,
            read=self.read,
            state=lambda: self._state,
            file=lambda: (self.status.file if self.status else None) or "",
            before=self._before,
            tell=self._reports.event,
        )
        self._heaters = HeaterShutoff(watched, inspector.clock, journal, self._report)
        self._gate = BedGate(
            watched,
            beds,
            inspector.clock,
            journal,
            server,
            read=self.read,
            current=lambda: self.status,
            before=self._before,
            keep=lambda: self._keep(durable=True),
            report=self._report,
        )
        self._watchdog = Watchdog(
            watched.name, inspector.clock.monotonic, self._report, cameras=tuple(watched.cameras)
        )

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                await self.turn()
                await self._clock.sleep(POLL_SECONDS)
        finally:
            await self._alarms.cancel()
            await self._gate.cancel()
            if self._cameras is not None:
                await self._cameras.stop()

    async def turn(self) -> None:
        """Poll the printer once and follow its state."""
        with contextlib.suppress(PrinterError):  # the watchdog has it
            await self.read()
            if await self._heaters.run(self._state):
                self._keep(durable=True)
        if self._life.printing and self._cameras is not None:
            await self._cameras.start_again()
        looking = self._cameras is not None and self._cameras.on and self._life.printing and self.enabled
        self._watchdog.expect(looks=looking, reports=self._life.in_print and self.enabled)
        self._watchdog.check()

    async def read(self) -> PrinterStatus:
        """Read the printer's state and follow it. Raises PrinterError; what was believed then stays so."""
        async with self._reading:
            try:
                status = await self._reader.read()
            except PrinterError as error:
                self._watchdog.fails(PRINTER, "printer", str(error), error.hint)
                raise
            self.status, self._read_at = status, self._clock.monotonic()
            lost = missing(status)
            if lost:
                self._watchdog.fails(PRINTER, "printer", lost, "check that the printer is on and connected")
            else:
                self._watchdog.works(PRINTER, age=status.age)
            self._kept = self._memory.recall(status, enabled=self.enabled) or self._kept
            for step in self._life.follow(status):
                await self._follow(step, status)
        if lost and self._life.in_print:
            raise PrinterError(lost)
        return status

    async def _follow(self, step: Step, status: PrinterStatus) -> None:
        if step is Step.BEGUN:
            self._begun(status)
        elif step is Step.PRINTING:
            self._printing()
        elif step is Step.STOOD:
            self._stood(status)
        elif step is Step.HEATING_AGAIN:
            self._resumed()
        elif step is Step.FINISHING:
            if self._cameras is not None:
                self._cameras.hold()
        else:
            await self._ended(status)

    @property
    def context_ids(self) -> Tuple[str, ...]:
        """The contexts of the print under way, of each camera that has one."""
        contexts = [session.context for _, session in self._cameras or ()]
        return tuple(context.context_id for context in contexts if context is not None)

    @property
    def can(self) -> Tuple[str, ...]:
        """What can be done to the print now: some of pause, resume and cancel."""
        now = self.reported
        if now is None or not now.state.in_print or self.watched.policy.dry_run:
            return ()
        if isinstance(self.watched.printer, CameraOnly):
            return ()
        return ("resume", "cancel") if now.state.standing else ("pause", "cancel")

    # Print lifecycle

    def _begun(self, status: PrinterStatus) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self._go_on_with(kept, status)
            return
        self._set_state(WatchState())
        self._cameras = self._open_sessions(status)
        self._reports.begun(status.file)
        if self.enabled:
            self._gate.begin(self._state, status)
        self._keep(durable=True)

    def _set_state(self, state: WatchState) -> None:
        self._state = state
        self._watchdog.follow(state.unseen)

    def _open_sessions(self, status: PrinterStatus, kept: Optional[Checkpoint] = None) -> PrintCameras:
        return open_sessions(
            self.watched,
            self._inspector,
            self._looked,
            file=status.file,
            position=self._position,
            server=self._server,
            kept=lambda camera: self._memory.session_of(kept, camera),
        )

    def _position(self) -> Optional[PrintPosition]:
        now = self.status
        return None if now is None else PrintPosition(now.layer, now.layers, now.progress, now.state.value)

    def _printing(self) -> None:
        assert self._cameras is not None
        self._resumed()
        self._cameras.resume()
        if self.enabled:
            self._cameras.start()
        self._keep(durable=True)

    def _resumed(self) -> None:
        """If the print stood by our pause, a person has gone on with it."""
        if self._state.phase is not Phase.PAUSED:
            return
        if self._state.resumed() and self._cameras is not None:
            self._cameras.checked()
        self._reports.resumed()
        self._keep(durable=True)  # the state and the feedback that is still to be sent, in one write

    def _stood(self, status: PrinterStatus) -> None:
        if self._cameras is not None:
            self._cameras.hold()
        if self._state.expects_pause(self._clock.monotonic()):
            self._paused(late=not self._alarms.acting and not self._gate.ordering)
        elif self._state.phase is not Phase.PAUSED:
            self._reports.stands(status)
        self._keep(durable=True)

    def _paused(self, *, late: bool) -> None:
        """The print was paused by us. late: the order had timed out, so report it here."""
        after, now = self.watched.policy.heaters_off_after, self._clock.monotonic()
        ordered_at = self._state.ordered_at
        self._state.paused(None if after is None else now + after)
        if late:
            self._reports.paused_late(now - ordered_at, bed=self._state.bed is BedStep.HELD)

    async def _ended(self, status: PrinterStatus) -> None:
        cameras, self._cameras = self._cameras, None
        if cameras is not None:
            await cameras.stop()
        await self._gate.stop(self._state)
        by_us = self._state.phase is Phase.STOPPING and self._state.order is Action.CANCEL
        self._set_state(WatchState())
        self._memory.forget(enabled=self.enabled)
        self._reports.ended(status, cancelled_by_us=by_us)

    # Checkpoints

    def _go_on_with(self, kept: Checkpoint, status: PrinterStatus) -> None:
        self._cameras = self._open_sessions(status, kept)
        self._set_state(self._memory.state_of(kept))
        self._reports.continued(status.file)
        if self._state.phase is Phase.STOPPING:
            self._state.ordered_at = self._clock.monotonic()
            self._state.latch.not_done()
        if status.state is PrinterState.PREPARING:
            self._resumed()
        self._gate.go_on(self._state, status)

    def _keep(self, *, durable: bool = False) -> None:
        """Save a checkpoint for a restart."""
        if self.status is not None and self._cameras is not None:
            self._memory.keep(self.status, self._cameras, self._state, enabled=self.enabled, durable=durable)

    # Inspections

    async def _looked(self, look: Look) -> None:
        doubtful = self._doubtful(look)
        self._watchdog.looked(look, doubtful)
        if self._cameras is not None:
            self._cameras.looked(look)
        if self._on_look is not None:
            self._on_look(self, look)
        if look.inspection is None or doubtful:
            self._watchdog.check()
            self._keep()
            return
        alarm = self._state.alarm(look.inspection, look.camera, usable=look.condition == "ok")
        # The printer may have been stopped by hand since its state was read.
        if alarm is not None and self._life.printing and self.enabled:
            await self._alarms.respond(alarm, look)
        self._keep(durable=alarm is not None)

    def _doubtful(self, look: Look) -> str:
        """The failure that a picture not fit to judge by may show, in words; empty if there is none.

        One picture of a camera that repeats it is no reason to call the print failing, nor to stop it: it is
        reported as what it is. What a usable picture has warned of stays as it was.
        """
        seen = look.inspection
        if seen is None or look.condition == "ok" or self._state.latch.warned or seen.pause_suggested:
            return ""
        return reason(seen) if seen.warning_suggested else ""

    @property
    def seen(self) -> bool:
        """Whether the last usable look is recent and of this print."""
        return self._life.in_print and self.enabled and self._watchdog.sees

    @property
    def reported(self) -> Optional[PrinterStatus]:
        """The printer's last report, unless it is stale."""
        return self.status if self._clock.monotonic() - self._read_at < BLIND_S else None

    def _before(self, action: Action) -> None:
        if action in STOPS:
            self._state.ordered(action, self._clock.monotonic())
        self._keep(durable=True)

    # Feedback and commands from people

    def feedback(self, verdict: str, who: str) -> bool:
        """Send what a person says of the print, one of `VERDICTS`. False without a print.

        After a false alarm, or when the print is fine, the same thing will not alarm again.
        """
        if verdict not in VERDICTS:
            raise ValueError(f"a verdict is one of {', '.join(VERDICTS)}, not {verdict!r}")
        if self._cameras is None or not self._cameras.on:
            return False
        if verdict in CALMING:
            self._state.latch.quiet()
        self._cameras.feedback(verdict)
        self._keep(durable=True)
        self._reports.verdict(verdict, who)
        return True

    async def set_enabled(self, enabled: bool, who: str) -> None:
        """Switch the watching of this printer on or off."""
        if enabled == self.enabled:
            return
        self.enabled = enabled
        self._reports.switched(enabled, who)
        if self._cameras is not None:
            if not enabled:
                await self._cameras.stop()
                await self._gate.stop(self._state)
            elif self._life.printing:
                self._cameras.start()
        if self._life.in_print:
            self._keep(durable=True)
        else:
            self._memory.forget(enabled=enabled)

    def _report(self, kind: Kind, title: str, text: str, picture: Optional[bytes] = None) -> None:
        self._reports.event(kind, title, text, picture=picture)
        self._keep()
