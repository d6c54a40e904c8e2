"""One printer, watched from print to print: a context for each, and the policy carried out."""

from __future__ import annotations

import asyncio
import logging
from typing import Callable, Optional

from layerwatch_watcher.notifications.event import Event, Kind
from layerwatch_watcher.printers.base import PrinterError, PrinterState, PrinterStatus
from layerwatch_watcher.watching import actions
from layerwatch_watcher.watching.action_log import AT_THE_PRINTER, WATCHER, ActionLog
from layerwatch_watcher.watching.action_runner import STOPS, ActionRunner, reason
from layerwatch_watcher.watching.actions import ActionFailed
from layerwatch_watcher.watching.checkpoint import Checkpoint, CheckpointStore, may_be_kept
from layerwatch_watcher.watching.gaze import Gaze, Watched
from layerwatch_watcher.watching.inspector import Inspector
from layerwatch_watcher.watching.outage_tracker import OutageTracker
from layerwatch_watcher.watching.policy import Action, Alarm, AlarmLatch
from layerwatch_watcher.watching.print_lifecycle import PrintLife, Step
from layerwatch_watcher.watching.print_session import Look

log = logging.getLogger("layerwatch_watcher")

POLL_SECONDS = 5.0
"""How often a printer is asked how it goes. A resume is noticed within this time."""


class PrintWatcher:
    """Watches one printer until cancelled.

    tell: is given every event; must return at once.  server: the service's address, for messages.
    on_look: is given every look, for a screen or Home Assistant.
    memory: what was kept of the print under way; without one, a restart looks at it afresh.
    """

    def __init__(
        self,
        watched: Watched,
        judge: Inspector,
        journal: ActionLog,
        tell: Callable[[Event], None],
        *,
        server: str = "the service",
        on_look: Optional[Callable[[PrintWatcher, Look], None]] = None,
        memory: Optional[CheckpointStore] = None,
    ) -> None:
        self.watched = watched
        self.name = watched.name
        self.status: Optional[PrinterStatus] = None
        self._memory = memory or CheckpointStore()
        self.enabled = self._memory.kept is None or self._memory.kept.enabled
        self._clock = judge.clock
        self._journal = journal
        self._tell = tell
        self._server = server
        self._on_look = on_look
        self._kept: Optional[Checkpoint] = None
        self._life = PrintLife()
        self._guard = AlarmLatch()
        self._gaze = Gaze(watched, judge, self._looked, server)
        self._stands_by_us = False
        self._ended_by_us = False
        self._heaters_off_at: Optional[float] = None
        self._acting = asyncio.Lock()
        self._about_to_stop = False
        self._response = ActionRunner(watched, journal, judge.clock, self._before, self._seen_to_stand)
        self._troubles = OutageTracker(
            watched.name,
            judge.clock.monotonic,
            lambda kind, title, text: tell(self._event(kind, title, text)),
        )

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                await self.turn()
                await self._clock.sleep(POLL_SECONDS)
        finally:
            await self._gaze.stop()

    async def turn(self) -> None:
        """Ask the printer once, and follow what it says."""
        try:
            status = await self.watched.printer.status()
        except PrinterError as error:
            # Its host may be restarting while the print goes on: whatever is being looked at, still is.
            self._troubles.begin("printer", str(error), error.hint, matters=self._life.printing)
            return
        self._troubles.end("printer")
        self.status = status
        self._recall(status)
        for step in self._life.follow(status):
            if step is Step.BEGUN:
                self._begun(status)
            elif step is Step.PRINTING:
                self._printing()
            elif step is Step.STOOD:
                self._stood(status)
            else:
                await self._ended(status)
        if self._life.printing:
            await self._gaze.start_again()
        await self._heaters()

    # The print's life

    def _begun(self, status: PrinterStatus) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self._go_on_with(kept, status)
            return
        self._guard = AlarmLatch()
        self._stands_by_us = self._ended_by_us = self._about_to_stop = False
        self._heaters_off_at = None
        self._gaze.turn_to()
        self._journal.write(self.name, "print begun", who=AT_THE_PRINTER, why="a new print", file=status.file)
        self._tell(self._event(Kind.PRINT_STARTED, f"{self.name} has begun {status.file or 'a print'}"))

    def _printing(self) -> None:
        if self._stands_by_us:
            self._stands_by_us = False
            self._heaters_off_at = None
            self._guard.quiet()
            self._gaze.go_on(tell=True)
            self._journal.write(
                self.name,
                "resumed",
                who=AT_THE_PRINTER,
                why="went on after our pause; the same will not pause it again",
            )
            self._tell(self._event(Kind.RESUMED, f"{self.name} goes on"))
        else:
            self._gaze.go_on(tell=False)
        if self.enabled and not self._gaze.on:
            self._gaze.start()
        self._keep(durable=True)

    def _stood(self, status: PrinterStatus) -> None:
        self._gaze.hold()
        if not self._stands_by_us and not self._acting.locked():
            why = "wants a person" if status.state is PrinterState.ATTENTION else "paused"
            self._journal.write(
                self.name, "stands", who=AT_THE_PRINTER, why=why, message=status.message or None
            )
        self._keep()

    async def _ended(self, status: PrinterStatus) -> None:
        await self._gaze.stop()
        self._stands_by_us = False
        self._heaters_off_at = None
        self._memory.forget(enabled=self.enabled)
        finished = status.state is PrinterState.FINISHED
        how = "finished" if finished else "cancelled" if status.state is PrinterState.CANCELLED else "ended"
        self._journal.write(
            self.name,
            f"print {how}",
            who=WATCHER if self._ended_by_us else AT_THE_PRINTER,
            why=status.state.value,
            message=status.message or None,
        )
        kind = Kind.PRINT_FINISHED if finished else Kind.PRINT_ENDED
        self._tell(self._event(kind, f"{self.name}: the print has {'finished' if finished else 'ended'}"))

    # What is kept for a restart

    def _recall(self, status: PrinterStatus) -> None:
        """After a restart, see whether the print that was under way still is."""
        kept, self._memory.kept = self._memory.kept, None
        if kept is None:
            return
        if status.state is PrinterState.OFFLINE:
            self._memory.kept = kept
        elif status.state.in_print and kept.is_of(status, self._memory.now()):
            self._kept = kept
        elif kept.in_print:
            log.info("%s: the print that was watched before the restart is over", self.name)
            self._memory.forget(enabled=self.enabled)

    def _go_on_with(self, kept: Checkpoint, status: PrinterStatus) -> None:
        now = self._memory.now()
        levels = self.watched.levels
        context = kept.context(self._server, levels.warning, levels.pause)
        self._gaze.turn_to(context, kept.wait(now), kept.untold if context is not None else ())
        self._guard = AlarmLatch(kept.warned, kept.acted, kept.clear)
        self._stands_by_us = kept.standing
        self._heaters_off_at = None
        if kept.heaters_off_at is not None:
            self._heaters_off_at = self._clock.monotonic() + max(0.0, kept.heaters_off_at - now)
        self._journal.write(
            self.name, "watching goes on", who=WATCHER, why="restarted in mid-print", file=status.file
        )
        if not kept.acting:
            return
        if status.state.standing:  # what was about to be done has been done
            self._paused()
            why = "it was paused when the watcher was restarted"
            self._journal.write(self.name, Action.PAUSE.value, who=WATCHER, why=why)
            self._tell(self._event(Kind.PAUSED, f"{self.name} was paused", why))
        else:
            self._guard.not_done()

    def _keep(self, *, durable: bool = False) -> None:
        """Write down where the print is, for a restart."""
        status, now = self.status, self._memory.now()
        if status is None or not status.state.in_print:
            return
        context, due = self._gaze.context, self._heaters_off_at
        if context is not None and not may_be_kept(context):
            context = None
        note = Checkpoint(
            now,
            status.job,
            status.file,
            status.elapsed,
            server=self._server,
            context_id=context.context_id if context is not None else "",
            process_url=context.process_url if context is not None else "",
            fallback_url=context.fallback_url if context is not None else "",
            warning_level=self.watched.levels.warning,
            pause_level=self.watched.levels.pause,
            next_at=now + self._gaze.due_in,
            warned=self._guard.warned,
            acted=self._guard.acted,
            clear=self._guard.clear,
            standing=self._stands_by_us,
            acting=self._about_to_stop,
            heaters_off_at=None if due is None else now + due - self._clock.monotonic(),
            untold=self._gaze.untold,
            enabled=self.enabled,
        )
        self._memory.write(note, durable=durable)

    # What was seen

    async def _looked(self, look: Look) -> None:
        if self._on_look is not None:
            self._on_look(self, look)
        if look.trouble is not None:
            self._gaze.failed()
            self._troubles.begin(
                look.trouble.about, look.trouble.what, look.trouble.hint, final=look.trouble.final
            )
            self._keep()
            return
        assert look.inspection is not None
        self._troubles.end("camera")
        self._troubles.end("service")
        alarm = self._guard.alarm(look.inspection)
        # The printer may have been stopped by hand since its status was asked for.
        if alarm is not None and self._life.printing and self.enabled:
            await self._alarm(alarm, look)
        self._keep(durable=alarm is not None)

    async def _alarm(self, alarm: Alarm, look: Look) -> None:
        policy, inspection = self.watched.policy, look.inspection
        assert inspection is not None
        wanted = policy.on_pause if alarm is Alarm.PAUSE else policy.on_warning
        why = f"{alarm.value} suggested: {reason(inspection)}"
        file = (self.status.file if self.status else None) or ""
        async with self._acting:
            outcome = await self._response.carry_out(wanted, inspection, why, file=file, picture=look.picture)
        self._about_to_stop = False
        if any(action in STOPS for action in outcome.failed):
            self._guard.not_done()
        self._ended_by_us = self._ended_by_us or Action.CANCEL in outcome.done
        kind, title = outcome.words(alarm, self.name)
        if outcome.failed:
            self._tell(self._event(kind, title, "; ".join([why, *outcome.reasons()]), look))
        elif Action.NOTIFY in wanted:
            self._tell(self._event(kind, title, reason(inspection), look))

    def _before(self, action: Action) -> None:
        self._about_to_stop = action in STOPS
        self._keep(durable=True)

    def _seen_to_stand(self, status: PrinterStatus) -> None:
        # Followed here and now: a user who goes on at once must be seen to go on.
        self._paused()
        if Step.STOOD in self._life.follow(status):
            self._stood(status)

    def _paused(self) -> None:
        self._about_to_stop = False
        self._stands_by_us = True
        if self.watched.policy.heaters_off_after is not None:
            self._heaters_off_at = self._clock.monotonic() + self.watched.policy.heaters_off_after

    async def _heaters(self) -> None:
        due = self._heaters_off_at
        if due is None or not self._stands_by_us or self._clock.monotonic() < due:
            return
        self._heaters_off_at = None
        why = "nobody has come since our pause"
        try:
            await actions.heaters_off(self.watched.printer)
        except ActionFailed as error:
            self._journal.write(self.name, "heaters off", who=WATCHER, why=why, failed=str(error))
            self._tell(self._event(Kind.ACTION_FAILED, f"{self.name}: the heaters are still on", str(error)))
            return
        self._keep(durable=True)
        self._journal.write(self.name, "heaters off", who=WATCHER, why=why)
        self._tell(self._event(Kind.HEATERS_OFF, f"{self.name}: the heaters are off", why))

    # What people say

    def false_alarm(self, who: str) -> bool:
        """A person says that nothing is wrong: the same thing will not alarm again. False without a print."""
        if not self._gaze.on:
            return False
        self._guard.quiet()
        self._gaze.feedback("false_alarm")
        self._keep(durable=True)
        self._journal.write(self.name, "false alarm", who=who, why="nothing is wrong, says a person")
        return True

    async def set_enabled(self, enabled: bool, who: str) -> None:
        """Switch the watching of this printer on or off."""
        if enabled == self.enabled:
            return
        self.enabled = enabled
        self._journal.write(
            self.name, f"watching {'on' if enabled else 'off'}", who=who, why="switched by a person"
        )
        if not enabled:
            await self._gaze.stop()
        elif self._life.printing:
            self._gaze.start()
        if self._life.last is not None and self._life.last.state.in_print:
            self._keep(durable=True)
        else:
            self._memory.forget(enabled=enabled)

    def _event(self, kind: Kind, title: str, text: str = "", look: Optional[Look] = None) -> Event:
        status = self.status
        return Event(
            kind,
            self.name,
            title,
            text,
            file=status.file if status else None,
            progress=status.progress if status else None,
            inspection=look.inspection if look else None,
            picture=look.picture if look else None,
        )
