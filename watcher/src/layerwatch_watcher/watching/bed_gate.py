"""Before a print: the bed is checked, and the print is held while something lies on it."""

from __future__ import annotations

import asyncio
import logging
from typing import Callable, Optional

from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.models import Box
from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.notifications.marks import marked
from layerwatch_watcher.printers.base import PrinterState, PrinterStatus
from layerwatch_watcher.watching import actions
from layerwatch_watcher.watching.action_log import WATCHER, ActionLog
from layerwatch_watcher.watching.actions import ActionFailed
from layerwatch_watcher.watching.bed_check import BedCamera, BedInspector, BedVerdict, check_bed
from layerwatch_watcher.watching.policy import Action, BeforePrint
from layerwatch_watcher.watching.watch_state import BedStep, Phase, WatchState
from layerwatch_watcher.watching.watched import Watched

log = logging.getLogger("layerwatch_watcher")

AT_START_S, AT_START_PROGRESS = 60.0, 0.02
"""A print that is further on when it is first seen lies on the bed itself."""
TRY_AGAIN_S = 10.0
"""While the printer heats, a camera or service that fails is tried again after this."""
GIVE_UP_PRINTING_S = 120.0
"""A print that cannot be held is let go after printing for so long: what lay there has been hit by then."""

Report = Callable[[Kind, str, str, Optional[bytes]], None]
"""Is given a kind of event, a title, a text and a picture."""


class BedGate:
    """The check of one printer before each of its prints.

    service: None where no service remembers beds; no check is made then.
    read: reads the printer's state, and has the watcher follow it.  current: its last report.
    before: called before the pause is ordered, so that a restart knows of it.  keep: saves the state.
    """

    def __init__(
        self,
        watched: Watched,
        service: Optional[BedInspector],
        clock: AsyncClock,
        journal: ActionLog,
        server: str,
        *,
        read: actions.Read,
        current: Callable[[], Optional[PrinterStatus]],
        before: Callable[[Action], None],
        keep: Callable[[], None],
        report: Report,
    ) -> None:
        self._watched = watched
        self._mode, self._cameras = BeforePrint.OFF, dict[str, BedCamera]()
        if service is not None:
            self._mode = watched.policy.before_print
            self._cameras = {
                name: BedCamera(watched.name, name, camera, service, clock, server)
                for name, camera in watched.cameras.items()
            }
        self._clock = clock
        self._journal = journal
        self._read = read
        self._current = current
        self._before = before
        self._keep = keep
        self._report = report
        self._task: Optional[asyncio.Task[None]] = None
        self._unchecked_why = ""
        self.ordering = False
        """Whether a pause is being ordered; its outcome is reported from here."""

    def begin(self, state: WatchState, status: PrinterStatus) -> None:
        """A new print begins: check the bed, if that is wanted."""
        if self._mode is BeforePrint.OFF:
            return
        if _at_start(status):
            state.bed = BedStep.DUE
            self._run(state)
        else:
            self._unchecked("the print was under way when it was first seen")

    def go_on(self, state: WatchState, status: PrinterStatus) -> None:
        """A print goes on after a restart of the watcher: finish what was begun."""
        if state.bed not in (BedStep.DUE, BedStep.BLOCKED):
            return
        if self._mode is BeforePrint.OFF:
            state.bed = BedStep.PASSED
        elif state.bed is BedStep.DUE and not _at_start(status):
            state.bed = BedStep.PASSED
            self._unchecked("the watcher was restarted meanwhile")
        else:
            self._run(state)

    async def stop(self, state: WatchState) -> None:
        """The print is over, or is not to be watched: leave it as it is."""
        if state.bed in (BedStep.DUE, BedStep.BLOCKED):
            state.bed = BedStep.PASSED
        await self.cancel()

    async def cancel(self) -> None:
        """End the check, as it is: a restart finishes it."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _run(self, state: WatchState) -> None:
        self._task = asyncio.ensure_future(self._check(state))
        self._task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: the bed check crashed", self._watched.name, exc_info=task.exception())

    async def _check(self, state: WatchState) -> None:
        if state.bed is not BedStep.DUE:  # it was found not clear before the restart
            await self._hold(state, BedVerdict(False, "something lies on it"))
            return
        verdict = await self._verdict()
        name, policy = self._watched.name, self._watched.policy
        if verdict.clear is None:
            state.bed = BedStep.PASSED
            self._unchecked(verdict.why)
        elif verdict.clear:
            state.bed, self._unchecked_why = BedStep.PASSED, ""
            self._journal.write(name, "bed check", who=WATCHER, why="the bed is clear")
        elif self._mode is BeforePrint.REQUIRE and not policy.dry_run and not self._stands():
            state.bed = BedStep.BLOCKED
            await self._hold(state, verdict)
        else:
            state.bed = BedStep.PASSED
            dry = True if policy.dry_run and self._mode is BeforePrint.REQUIRE else None
            self._journal.write(name, "bed check", who=WATCHER, why=f"not clear: {verdict.why}", dry_run=dry)
            what = "is paused" if self._stands() else "begins to print"
            self._tell(f"{name} {what}, and its bed is not clear", verdict)
        self._keep()

    def _stands(self) -> bool:
        """Whether a person has paused the print already."""
        now = self._current()
        return now is not None and now.state.standing

    async def _verdict(self) -> BedVerdict:
        """The bed now; while the printer heats, what fails is tried again."""
        while True:
            verdict = await check_bed(self._cameras)
            now = self._current()
            heating = now is not None and now.state is PrinterState.PREPARING
            if verdict.clear is not None or not verdict.passing or not heating:
                return verdict
            await self._clock.sleep(TRY_AGAIN_S)

    async def _hold(self, state: WatchState, verdict: BedVerdict) -> None:
        name = self._watched.name
        printed_since: Optional[float] = None
        while state.bed is BedStep.BLOCKED:
            try:
                await self._pause()
            except ActionFailed as error:
                if error.refused:
                    state.refused()
                now, status = self._clock.monotonic(), self._current()
                if status is not None and status.state is PrinterState.PRINTING:
                    printed_since = now if printed_since is None else printed_since
                    if now - printed_since >= GIVE_UP_PRINTING_S:
                        state.bed = BedStep.PASSED
                        self._not_held(error, verdict, "it goes on")
                        return
                if state.stopping.failed(now):
                    self._not_held(error, verdict, "it is tried again")
                self._keep()
                await self._clock.sleep(state.stopping.retry_at - now)
                continue
            if state.phase is Phase.PAUSED:
                self._journal.write(
                    name, Action.PAUSE.value, who=WATCHER, why=f"bed not clear: {verdict.why}"
                )
                self._tell(f"{name} waits: its bed is not clear", verdict, "Clear it, and resume the print.")
            return

    async def _pause(self) -> None:
        self._before(Action.PAUSE)
        self.ordering = True
        try:
            await actions.pause(self._watched.printer, self._read, self._clock)
        finally:
            self.ordering = False

    def _not_held(self, error: ActionFailed, verdict: BedVerdict, then: str) -> None:
        name = self._watched.name
        self._journal.write(
            name, Action.PAUSE.value, who=WATCHER, why=f"bed not clear: {verdict.why}", failed=str(error)
        )
        title = f"{name} could not be held, although its bed is not clear; {then}"
        text = f"{error}. {error.hint}" if error.hint else str(error)
        self._report(Kind.ACTION_FAILED, title, text, _marked(verdict))

    def _tell(self, title: str, verdict: BedVerdict, then: str = "") -> None:
        text = verdict.why[:1].upper() + verdict.why[1:] + "."
        self._report(Kind.BED_NOT_CLEAR, title, f"{text} {then}".rstrip(), _marked(verdict))

    def _unchecked(self, why: str) -> None:
        """Nothing is known of the bed: the print goes on. The same reason is reported once."""
        name = self._watched.name
        self._journal.write(name, "bed check", who=WATCHER, why=f"cannot say: {why}")
        if why != self._unchecked_why:
            self._report(Kind.BED_NOT_CHECKED, f"{name} prints without a check of its bed", why, None)
        self._unchecked_why = why


def _at_start(status: PrinterStatus) -> bool:
    """Whether a print that is seen for the first time has only begun."""
    if status.state is PrinterState.PREPARING:
        return True
    begun = (status.elapsed or 0.0) <= AT_START_S and (status.progress or 0.0) < AT_START_PROGRESS
    return status.state is PrinterState.PRINTING and begun


def _marked(verdict: BedVerdict) -> Optional[bytes]:
    if verdict.picture is None:
        return None
    places = verdict.left_overs
    return marked(
        verdict.picture,
        [Box("left_over", 1.0, one.left, one.top, one.width, one.height) for one in places],
    )
