"""What the policy wants done on an alarm, done, written down, and put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, Optional, Sequence, Tuple

from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.models import Inspection
from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.printers.base import PrinterStatus
from layerwatch_watcher.watching import actions
from layerwatch_watcher.watching.action_log import WATCHER, ActionLog
from layerwatch_watcher.watching.actions import ActionFailed
from layerwatch_watcher.watching.gaze import Watched
from layerwatch_watcher.watching.policy import Action, Alarm

STOPS = (Action.PAUSE, Action.CANCEL)
"""Actions that end what the camera sees. They must not be lost, and not be done twice."""


@dataclass
class Outcome:
    """What was done, and what could not be done and why."""

    done: list[Action] = field(default_factory=list)
    failed: Dict[Action, str] = field(default_factory=dict)

    def words(self, alarm: Alarm, name: str) -> Tuple[Kind, str]:
        """The event to tell, and its title."""
        if self.failed:
            return Kind.ACTION_FAILED, f"{name} looks failed, and could not be stopped"
        if Action.CANCEL in self.done:
            return Kind.CANCELLED, f"{name} was cancelled"
        if Action.PAUSE in self.done:
            return Kind.PAUSED, f"{name} was paused"
        if alarm is Alarm.PAUSE:
            return Kind.PAUSE_SUGGESTED, f"{name} looks failed"
        return Kind.WARNING, f"{name} may be failing"

    def reasons(self) -> list[str]:
        """Each failure, with the action's name."""
        return [f"{action.value}: {why}" for action, why in self.failed.items()]


class ActionRunner:
    """Carries out what one printer's policy wants.

    before: called before each action, so that a restart can tell that it was about to be done.
    paused: called as soon as the printer is seen to stand by our pause.
    """

    def __init__(
        self,
        watched: Watched,
        journal: ActionLog,
        clock: AsyncClock,
        before: Callable[[Action], None],
        paused: Callable[[PrinterStatus], None],
    ) -> None:
        self._watched = watched
        self._journal = journal
        self._clock = clock
        self._before = before
        self._paused = paused

    async def carry_out(
        self,
        wanted: Sequence[Action],
        inspection: Inspection,
        why: str,
        *,
        file: str = "",
        picture: Optional[bytes] = None,
    ) -> Outcome:
        """Do what is wanted, what stops the print first. A dry run only writes down what it would do."""
        name, outcome = self._watched.name, Outcome()
        for action in (*STOPS, Action.GCODE, Action.COMMAND):
            if action not in wanted:
                continue
            if self._watched.policy.dry_run:
                self._journal.write(name, action.value, who=WATCHER, why=why, dry_run=True)
                continue
            self._before(action)
            try:
                if action is Action.COMMAND:
                    await self._command(inspection, why, file, picture)
                else:
                    await self._act(action)
            except ActionFailed as error:
                outcome.failed[action] = str(error)
                self._journal.write(name, action.value, who=WATCHER, why=why, failed=str(error))
            else:
                outcome.done.append(action)
                self._journal.write(name, action.value, who=WATCHER, why=why)
        return outcome

    async def _act(self, action: Action) -> None:
        printer = self._watched.printer
        if action is Action.PAUSE:
            status = await actions.pause(printer, self._clock)
            if status.state.standing:  # else it ended in the meantime
                self._paused(status)
        elif action is Action.CANCEL:
            await actions.cancel(printer)
        else:
            await actions.gcode(printer, self._watched.policy.gcode)

    async def _command(self, inspection: Inspection, why: str, file: str, picture: Optional[bytes]) -> None:
        values = {
            "printer": self._watched.name,
            "file": file,
            "quality": str(inspection.print_quality),
            "score": str(inspection.score),
            "why": why,
        }
        await actions.command(self._watched.policy.command, values, picture)


def reason(inspection: Inspection) -> str:
    """Why, in a few words: quality, score, and what it looks like."""
    detail = inspection.detail
    kind = f", {detail.kind.replace('_', ' ')}" if detail is not None and detail.kind else ""
    return f"quality {inspection.print_quality} of 10, score {inspection.score} of 100{kind}"
