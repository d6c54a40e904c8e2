"""What follows an alarm: the policy is carried out, and what came of it is reported."""

from __future__ import annotations

import asyncio
from typing import Callable, Optional

from layerwatch_sdk.alarm import Alarm
from layerwatch_sdk.clock import AsyncClock
from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.watching import actions
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.action_runner import ActionRunner, reason
from layerwatch_watcher.watching.policy import Action
from layerwatch_watcher.watching.print_session import Look
from layerwatch_watcher.watching.watch_state import Phase, WatchState
from layerwatch_watcher.watching.watched import Watched


class AlarmResponse:
    """Responds to the alarms of one printer's prints.

    read: reads the printer's state, and has the watcher follow it.  state, file: of the print under way.
    before: called before each action, so that a restart knows that it was about to be done.
    tell: is given the kind of an event, its title, its text, and what was seen.
    """

    def __init__(
        self,
        watched: Watched,
        journal: ActionLog,
        clock: AsyncClock,
        *,
        read: actions.Read,
        state: Callable[[], WatchState],
        file: Callable[[], str],
        before: Callable[[Action], None],
        tell: Callable[[Kind, str, str, Look], None],
    ) -> None:
        self._watched = watched
        self._clock = clock
        self._state = state
        self._file = file
        self._tell = tell
        self._runner = ActionRunner(watched, journal, clock, read, before, self._failure_is_news)
        self._task: Optional[asyncio.Task[None]] = None

    @property
    def acting(self) -> bool:
        """Whether something is being done; its outcome is reported from here."""
        return self._task is not None

    async def respond(self, alarm: Alarm, look: Look) -> None:
        """Do what the policy wants, unless stopping the print is to be tried again only later."""
        state = self._state()
        if alarm is Alarm.PAUSE and not state.stopping.due(self._clock.monotonic()):
            state.latch.not_done()
            return
        # A separate task: it outlasts the session, which ends when the print does.
        self._task = asyncio.ensure_future(self._carry_out(alarm, look, state))
        await asyncio.shield(self._task)

    async def cancel(self) -> None:
        """End what is being done, as it is: a restart finishes it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _carry_out(self, alarm: Alarm, look: Look, state: WatchState) -> None:
        policy, inspection = self._watched.policy, look.inspection
        assert inspection is not None
        wanted = policy.on_pause if alarm is Alarm.PAUSE else policy.on_warning
        seen = reason(inspection)
        if len(self._watched.cameras) > 1:
            seen += f" (seen by {look.camera})"
        why = f"{alarm.value} suggested: {seen}"
        try:
            outcome = await self._runner.carry_out(
                wanted, inspection, why, file=self._file(), picture=look.picture
            )
        finally:
            self._task = None
        failed = outcome.not_stopped
        if outcome.ended or (failed is not None and self._state() is not state):
            return  # the print has ended by itself, and is reported as ended
        if failed is not None:
            state.latch.not_done()
            if failed.refused and state.phase is Phase.STOPPING:
                state.refused()
            if not state.stopping.failed(self._clock.monotonic()):
                return
        kind, title = outcome.words(alarm, self._watched.name)
        if outcome.failed:
            self._tell(kind, title, "; ".join([why, *outcome.reasons()]), look)
        elif Action.NOTIFY in wanted:
            self._tell(kind, title, seen, look)

    def _failure_is_news(self) -> bool:
        return self._state().stopping.reported_at is None
