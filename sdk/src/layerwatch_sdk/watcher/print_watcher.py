"""One printer, watched from print to print: a context for each, and the policy carried out."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Callable, Optional

from layerwatch_sdk.cameras.base import Camera
from layerwatch_sdk.models import Inspection
from layerwatch_sdk.printers.base import Printer, PrinterError, PrinterState, PrinterStatus
from layerwatch_sdk.watcher import actions
from layerwatch_sdk.watcher.actions import ActionFailed
from layerwatch_sdk.watcher.journal import AT_THE_PRINTER, WATCHER, Journal
from layerwatch_sdk.watcher.judge import Judge
from layerwatch_sdk.watcher.life import PrintLife, Step
from layerwatch_sdk.watcher.looking import Levels, Look, Looking
from layerwatch_sdk.watcher.notify.event import Event, Kind
from layerwatch_sdk.watcher.policy import Action, Alarm, Guard, Policy

log = logging.getLogger("layerwatch_sdk.watcher")

POLL_SECONDS = 5.0
"""How often a printer is asked how it goes. A resume is noticed within this time."""
TROUBLE_SECONDS = 120.0
"""A camera, printer or service that fails for so long is told of; shorter gaps are only logged."""
START_AGAIN_SECONDS = 300.0
"""After a trouble that ended the looking (a refused key, a wrong camera setting), try again so late."""


@dataclass(frozen=True)
class Watched:
    """A printer as the configuration has it. `min_interval`: seconds between two pictures, at least."""

    name: str
    printer: Printer
    camera: Camera
    policy: Policy = field(default_factory=Policy)
    levels: Levels = field(default_factory=Levels)
    min_interval: float = 0.0


class PrintWatcher:
    """Watches one printer until cancelled.

    tell: is given every event; must return at once.  server: the service's address, for messages.
    on_look: is given every look, for a screen or Home Assistant.
    """

    def __init__(
        self,
        watched: Watched,
        judge: Judge,
        journal: Journal,
        tell: Callable[[Event], None],
        *,
        server: str = "the service",
        on_look: Optional[Callable[[PrintWatcher, Look], None]] = None,
    ) -> None:
        self.watched = watched
        self.name = watched.name
        self.enabled = True
        self.status: Optional[PrinterStatus] = None
        self._judge = judge
        self._clock = judge.clock
        self._journal = journal
        self._tell = tell
        self._server = server
        self._on_look = on_look
        self._life = PrintLife()
        self._guard = Guard()
        self._looking: Optional[Looking] = None
        self._look_again_at = 0.0
        self._stands_by_us = False
        self._ended_by_us = False
        self._heaters_off_at: Optional[float] = None
        self._acting = asyncio.Lock()
        self._troubles: dict[str, _Troubled] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                await self.turn()
                await self._clock.sleep(POLL_SECONDS)
        finally:
            await self._stop_looking()

    async def turn(self) -> None:
        """Ask the printer once, and follow what it says."""
        try:
            status = await self.watched.printer.status()
        except PrinterError as error:
            # Its host may be restarting while the print goes on: whatever is being looked at, still is.
            self._in_trouble("printer", str(error), error.hint)
            return
        self._out_of_trouble("printer")
        self.status = status
        for step in self._life.follow(status):
            if step is Step.BEGUN:
                self._begun(status)
            elif step is Step.PRINTING:
                self._printing()
            elif step is Step.STOOD:
                self._stood(status)
            else:
                await self._ended(status)
        self._start_again()
        await self._heaters()

    # The print's life

    def _begun(self, status: PrinterStatus) -> None:
        self._guard = Guard()
        self._stands_by_us = self._ended_by_us = False
        self._heaters_off_at = None
        self._journal.write(self.name, "print begun", who=AT_THE_PRINTER, why="a new print", file=status.file)
        self._tell(self._event(Kind.PRINT_STARTED, f"{self.name} has begun {status.file or 'a print'}"))

    def _printing(self) -> None:
        if self._stands_by_us:
            self._stands_by_us = False
            self._heaters_off_at = None
            self._guard.quiet()
            if self._looking is not None:
                self._looking.session.resume(tell=True)
            self._journal.write(
                self.name,
                "resumed",
                who=AT_THE_PRINTER,
                why="went on after our pause; the same will not pause it again",
            )
            self._tell(self._event(Kind.RESUMED, f"{self.name} goes on"))
        elif self._looking is not None:
            self._looking.session.resume(tell=False)
        elif self.enabled:
            self._start_looking()

    def _stood(self, status: PrinterStatus) -> None:
        if self._looking is not None:
            self._looking.session.pause()
        if not self._stands_by_us and not self._acting.locked():
            why = "wants a person" if status.state is PrinterState.ATTENTION else "paused"
            self._journal.write(
                self.name, "stands", who=AT_THE_PRINTER, why=why, message=status.message or None
            )

    async def _ended(self, status: PrinterStatus) -> None:
        await self._stop_looking()
        self._stands_by_us = False
        self._heaters_off_at = None
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

    def _start_looking(self) -> None:
        self._looking = Looking(
            self.watched.camera,
            self._judge,
            self._looked,
            levels=self.watched.levels,
            server=self._server,
            min_interval=self.watched.min_interval,
        )
        self._looking.session.start()

    def _start_again(self) -> None:
        """Look again some time after a trouble that ended the looking: somebody may have mended it."""
        looking = self._looking
        if looking is None or looking.session.state not in ("stopped", "failed") or not self._life.printing:
            return
        if self._clock.monotonic() >= self._look_again_at:
            self._start_looking()

    async def _stop_looking(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            await looking.session.stop()

    # What was seen

    async def _looked(self, look: Look) -> None:
        if self._on_look is not None:
            self._on_look(self, look)
        if look.trouble is not None:
            self._look_again_at = self._clock.monotonic() + START_AGAIN_SECONDS
            self._in_trouble(
                look.trouble.about, look.trouble.what, look.trouble.hint, final=look.trouble.final
            )
            return
        assert look.inspection is not None
        self._out_of_trouble("camera")
        self._out_of_trouble("service")
        alarm = self._guard.alarm(look.inspection)
        # The printer may have been stopped by hand since its status was asked for.
        if alarm is not None and self._life.printing and self.enabled:
            await self._alarm(alarm, look)

    async def _alarm(self, alarm: Alarm, look: Look) -> None:
        policy = self.watched.policy
        wanted = policy.on_pause if alarm is Alarm.PAUSE else policy.on_warning
        assert look.inspection is not None
        why = f"{alarm.value} suggested: {reason(look.inspection)}"
        kind, title = _first_words(alarm, self.name)
        failed: list[str] = []
        async with self._acting:
            for action in (Action.PAUSE, Action.CANCEL, Action.GCODE, Action.COMMAND):
                if action not in wanted:
                    continue
                if policy.dry_run:
                    self._journal.write(self.name, action.value, who=WATCHER, why=why, dry_run=True)
                    continue
                try:
                    await self._act(action, look, why)
                except ActionFailed as error:
                    failed.append(f"{action.value}: {error}")
                    self._journal.write(self.name, action.value, who=WATCHER, why=why, failed=str(error))
                    if action in (Action.PAUSE, Action.CANCEL):
                        self._guard.not_done()
                else:
                    self._journal.write(self.name, action.value, who=WATCHER, why=why)
                    if action is Action.PAUSE:
                        kind, title = Kind.PAUSED, f"{self.name} was paused"
                    elif action is Action.CANCEL:
                        kind, title = Kind.CANCELLED, f"{self.name} was cancelled"
        if failed:
            kind, title = Kind.ACTION_FAILED, f"{self.name} looks failed, and could not be stopped"
            self._tell(self._event(kind, title, "; ".join([why, *failed]), look))
        elif Action.NOTIFY in wanted:
            self._tell(self._event(kind, title, reason(look.inspection), look))

    async def _act(self, action: Action, look: Look, why: str) -> None:
        policy, printer = self.watched.policy, self.watched.printer
        if action is Action.PAUSE:
            status = await actions.pause(printer, self._clock)
            if not status.state.standing:
                return  # it ended in the meantime
            # Followed here and now: a user who goes on at once must be seen to go on.
            self._stands_by_us = True
            if Step.STOOD in self._life.follow(status):
                self._stood(status)
            if policy.heaters_off_after is not None:
                self._heaters_off_at = self._clock.monotonic() + policy.heaters_off_after
        elif action is Action.CANCEL:
            await actions.cancel(printer)
            self._ended_by_us = True
        elif action is Action.GCODE:
            await actions.gcode(printer, policy.gcode)
        else:
            assert look.inspection is not None
            values = {
                "printer": self.name,
                "file": (self.status.file if self.status else None) or "",
                "quality": str(look.inspection.print_quality),
                "score": str(look.inspection.score),
                "why": why,
            }
            await actions.command(policy.command, values, look.picture)

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
        self._journal.write(self.name, "heaters off", who=WATCHER, why=why)
        self._tell(self._event(Kind.HEATERS_OFF, f"{self.name}: the heaters are off", why))

    # What people say

    def false_alarm(self, who: str) -> bool:
        """A person says that nothing is wrong: the same thing will not alarm again. False without a print."""
        if self._looking is None:
            return False
        self._guard.quiet()
        self._looking.session.feedback("false_alarm")
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
            await self._stop_looking()
        elif self._life.printing:
            self._start_looking()

    # Troubles

    def _in_trouble(self, about: str, what: str, hint: str, *, final: bool = False) -> None:
        known = self._troubles.setdefault(about, _Troubled(self._clock.monotonic()))
        if known.what != what:
            log.warning("%s: %s%s", self.name, what, f" ({hint})" if hint else "")
            known.what = what
        lasted = self._clock.monotonic() - known.since
        if not known.told and (final or lasted >= TROUBLE_SECONDS):
            known.told = True
            kind = {"camera": Kind.CAMERA_TROUBLE, "printer": Kind.PRINTER_TROUBLE}.get(
                about, Kind.SERVICE_TROUBLE
            )
            # Nobody minds that a printer is off at night.
            if about != "printer" or self._life.printing:
                self._tell(self._event(kind, f"{self.name} is not watched: {what}", hint))

    def _out_of_trouble(self, about: str) -> None:
        known = self._troubles.pop(about, None)
        if known is None:
            return
        log.info("%s: the %s is back", self.name, about)
        if known.told:
            kind = {"camera": Kind.CAMERA_BACK, "printer": Kind.PRINTER_BACK}.get(about, Kind.SERVICE_BACK)
            self._tell(self._event(kind, f"{self.name}: the {about} is back"))

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


@dataclass
class _Troubled:
    since: float
    what: str = ""
    told: bool = False


def reason(inspection: Inspection) -> str:
    """Why, in a few words: quality, score, and what it looks like."""
    detail = inspection.detail
    kind = f", {detail.kind.replace('_', ' ')}" if detail is not None and detail.kind else ""
    return f"quality {inspection.print_quality} of 10, score {inspection.score} of 100{kind}"


def _first_words(alarm: Alarm, name: str) -> tuple[Kind, str]:
    if alarm is Alarm.PAUSE:
        return Kind.PAUSE_SUGGESTED, f"{name} looks failed"
    return Kind.WARNING, f"{name} may be failing"
