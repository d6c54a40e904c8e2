"""What the watcher knows of the print under way beyond what the printer says: one value, stored as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Dict, Optional

from layerwatch_sdk.alarm import Alarm, AlarmLatch
from layerwatch_sdk.models import Inspection
from layerwatch_watcher.watching.failing_action import FailingAction
from layerwatch_watcher.watching.policy import Action

LATE_PAUSE_WINDOW_S = 600.0
"""An unconfirmed pause order may still take effect: a pause within this time counts as ours."""


class Phase(str, Enum):  # noqa: UP042 - StrEnum came with Python 3.11
    """What we have done to the print."""

    WATCHED = "watched"
    """Nothing."""
    STOPPING = "stopping"
    """A pause or a cancel was ordered; that it happened has not been seen."""
    PAUSED = "paused"
    """It stands by our pause."""


class BedStep(str, Enum):  # noqa: UP042 - StrEnum came with Python 3.11
    """How far the check of the bed before the print is."""

    PASSED = "passed"
    """Nothing is to be done: none is wanted, it is over, or a person has gone on with the print."""
    DUE = "due"
    """The bed is to be checked."""
    BLOCKED = "blocked"
    """Something lies on it, and the print is to be held."""
    HELD = "held"
    """The print stands for it, by our pause."""


@dataclass
class WatchState:
    """One print. Moments are seconds on the watcher's monotonic clock.

    order, ordered_at: what was ordered last, while STOPPING.
    heaters_off_at: when the heaters are due to go off, while PAUSED.
    stopping, heating: pauses and heater switches that failed.
    unseen: what has been reported of not seeing the print, as the watchdog has it.
    warned_by: the camera that saw a failure last.
    bed: the check of the bed before the print.
    """

    phase: Phase = Phase.WATCHED
    latch: AlarmLatch = field(default_factory=AlarmLatch)
    order: Optional[Action] = None
    ordered_at: float = 0.0
    heaters_off_at: Optional[float] = None
    stopping: FailingAction = field(default_factory=FailingAction)
    heating: FailingAction = field(default_factory=FailingAction)
    unseen: Dict[str, str] = field(default_factory=dict)
    warned_by: str = ""
    bed: BedStep = BedStep.PASSED

    @property
    def untouched(self) -> bool:
        """Whether nothing has been done, nor anything been warned of."""
        done = self.latch.warned or self.latch.acted or self.bed in (BedStep.BLOCKED, BedStep.HELD)
        return self.phase is Phase.WATCHED and not done

    def alarm(self, inspection: Inspection, camera: str, *, usable: bool) -> Optional[Alarm]:
        """The alarm that is due now, if any: one for the print, whichever cameras see the failure.

        It is gone only when the camera that saw it last does not see it any more: another one may never have.
        """
        if inspection.warning_suggested or inspection.pause_suggested:
            self.warned_by = camera
        return self.latch.alarm(inspection, usable=usable and self.warned_by in ("", camera))

    def ordered(self, action: Action, now: float) -> None:
        """A pause or a cancel is about to be ordered."""
        self.phase, self.order, self.ordered_at = Phase.STOPPING, action, now

    def refused(self) -> None:
        """The printer refused: no action is pending."""
        self.phase, self.order = Phase.WATCHED, None

    def expects_pause(self, now: float) -> bool:
        """Whether a pause that is seen now is ours."""
        return self.phase is Phase.STOPPING and now - self.ordered_at <= LATE_PAUSE_WINDOW_S

    def paused(self, heaters_off_at: Optional[float]) -> None:
        """The print is seen to stand by our pause."""
        self.phase, self.order, self.heaters_off_at = Phase.PAUSED, None, heaters_off_at
        self.stopping, self.heating = FailingAction(), FailingAction()
        if self.bed is BedStep.BLOCKED:
            self.bed = BedStep.HELD

    def resumed(self) -> bool:
        """A person has gone on with the print: what it was paused for does not pause it again.

        False where it was held for its bed: no failure was seen then, and any that is seen later is news.
        """
        self.phase, self.order, self.heaters_off_at = Phase.WATCHED, None, None
        if self.bed is BedStep.HELD:
            self.bed = BedStep.PASSED
            return False
        self.latch.quiet()
        return True

    def moved(self, by: float) -> WatchState:
        """The same on a clock that is `by` seconds ahead."""
        due = None if self.heaters_off_at is None else self.heaters_off_at + by
        return WatchState(
            self.phase,
            self.latch,
            self.order,
            self.ordered_at + by,
            due,
            self.stopping.moved(by),
            self.heating.moved(by),
            dict(self.unseen),
            self.warned_by,
            self.bed,
        )


def read_state(values: object) -> WatchState:
    """A state from its JSON. Raises ValueError for anything else."""
    if not isinstance(values, Mapping):
        raise ValueError("the state is no object")
    order = values.get("order")
    state = WatchState(
        phase=Phase(values.get("phase")),
        latch=_read(AlarmLatch, values.get("latch")),
        order=None if order is None else Action(order),
        ordered_at=_number(values.get("ordered_at")),
        heaters_off_at=None if values.get("heaters_off_at") is None else _number(values["heaters_off_at"]),
        stopping=_read(FailingAction, values.get("stopping")),
        heating=_read(FailingAction, values.get("heating")),
        unseen=_words(values.get("unseen", {})),
        warned_by=_word(values.get("warned_by", "")),
        bed=BedStep(values.get("bed", BedStep.PASSED)),
    )
    latch = state.latch
    if not isinstance(latch.warned, bool) or not isinstance(latch.acted, bool):
        raise ValueError("a value of the wrong type")
    for number in (latch.clear, state.stopping.tries, state.heating.tries):
        _number(number)
    for failing in (state.stopping, state.heating):
        _number(failing.retry_at)
        if failing.reported_at is not None:
            _number(failing.reported_at)
    return state


def _read(kind: Any, values: object) -> Any:
    if not isinstance(values, Mapping):
        raise ValueError("a part of the state is no object")
    return kind(**{one.name: values[one.name] for one in fields(kind) if one.name in values})


def _words(values: object) -> Dict[str, str]:
    if not isinstance(values, dict) or not all(isinstance(one, str) for one in (*values, *values.values())):
        raise ValueError("a value of the wrong type")
    return values


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a value of the wrong type")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a value of the wrong type")
    return float(value)
