"""What the policy wants done on an alarm, done, logged, and put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, Optional, Sequence, Tuple

from layerwatch_sdk.alarm import Alarm
from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.models import Inspection
from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.watching import actions
from layerwatch_watcher.watching.action_log import WATCHER, ActionLog
from layerwatch_watcher.watching.actions import ActionFailed
from layerwatch_watcher.watching.policy import STOPS, Action
from layerwatch_watcher.watching.watched import Watched

_DONE = {Action.PAUSE: "paused", Action.CANCEL: "cancelled"}


@dataclass
class ActionOutcome:
    """What was done, and what could not be done and why.

    ended: the print had ended by itself before it could be stopped.
    """

    done: list[Action] = field(default_factory=list)
    failed: Dict[Action, ActionFailed] = field(default_factory=dict)
    ended: bool = False

    @property
    def not_stopped(self) -> Optional[ActionFailed]:
        """Why the print was not stopped although it was to be; None if it was."""
        return next((self.failed[action] for action in STOPS if action in self.failed), None)

    def words(self, alarm: Alarm, name: str) -> Tuple[Kind, str]:
        """The event to send, and its title: what is so, not what was asked for."""
        stopped = next((_DONE[action] for action in STOPS if action in self.done and not self.ended), None)
        kind = {"paused": Kind.PAUSED, "cancelled": Kind.CANCELLED}.get(stopped or "")
        state = f"{name} was {stopped}" if stopped else f"{name} looks failed"
        if kind is None:
            kind = Kind.PAUSE_SUGGESTED if alarm is Alarm.PAUSE else Kind.WARNING
        if alarm is Alarm.WARNING and stopped is None:
            state = f"{name} may be failing"
        if not self.failed:
            return kind, state
        for action in STOPS:
            if action in self.failed:
                word = _DONE[action]
                if self.failed[action].known:
                    return Kind.ACTION_FAILED, f"{name} looks failed, and could not be {word}"
                return Kind.ACTION_FAILED, f"{name} looks failed; whether it was {word} is not known"
        words = " and ".join(action.value for action in self.failed)
        return Kind.ACTION_FAILED, f"{state}, but {words} failed"

    def reasons(self) -> list[str]:
        """Each failure with its action's name and what to do."""
        return [
            f"{action.value}: {error}" + (f". {_sentence(error.hint)}" if error.hint else "")
            for action, error in self.failed.items()
        ]


class ActionRunner:
    """Carries out what one printer's policy wants.

    read: reads the printer's state, and has the watcher follow it.
    before: called before each action, so that a restart knows that it was about to be done.
    is_news: asked whether a failure to stop the print is to be logged: not, where it is the same again.
    """

    def __init__(
        self,
        watched: Watched,
        journal: ActionLog,
        clock: AsyncClock,
        read: actions.Read,
        before: Callable[[Action], None],
        is_news: Callable[[], bool],
    ) -> None:
        self._watched = watched
        self._journal = journal
        self._clock = clock
        self._read = read
        self._before = before
        self._is_news = is_news

    async def carry_out(
        self,
        wanted: Sequence[Action],
        inspection: Inspection,
        why: str,
        *,
        file: str = "",
        picture: Optional[bytes] = None,
    ) -> ActionOutcome:
        """Do what is wanted, what stops the print first. A dry run only logs what it would do."""
        name, outcome = self._watched.name, ActionOutcome()
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
                    outcome.ended = await self._act(action) or outcome.ended
            except ActionFailed as error:
                outcome.failed[action] = error
                if action not in STOPS or self._is_news():
                    self._journal.write(
                        name, action.value, who=WATCHER, why=why, failed=str(error), hint=error.hint or None
                    )
            else:
                outcome.done.append(action)
                if not (action is Action.PAUSE and outcome.ended):
                    self._journal.write(name, action.value, who=WATCHER, why=why)
        return outcome

    async def _act(self, action: Action) -> bool:
        """Do it. True if a print to be paused has ended meanwhile."""
        printer = self._watched.printer
        if action is Action.PAUSE:
            status = await actions.pause(printer, self._read, self._clock)
            return not status.state.in_print
        if action is Action.CANCEL:
            await actions.cancel(printer, self._read, self._clock)
        else:
            await actions.gcode(printer, self._watched.policy.gcode)
        return False

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


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
