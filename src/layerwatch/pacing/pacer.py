"""NextProcessIntervalSec: from measured capacity and live prints to each print's next interval.

With H healthy and S suspicious prints, capacity C and target use u, one number x >= 1 stretches the rest
intervals so that the calls that they make are what the node can take:

    H / (rest * x)  +  S / (suspicious * max(1, x / 2))  =  u C

Healthy prints pay first: until their interval has doubled, suspicious ones keep theirs. The left side falls
steadily in x, so there is one solution, in closed form for each of the two branches.

The equation sets the mean; the schedule of promised calls (`CallSchedule`) keeps every second within its
share: a healthy print gets the free second nearest to its own. `docs/pacing.md` says why the two together
settle without oscillating.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from layerwatch.pacing.call_schedule import CallSchedule, Prints
from layerwatch.pacing.capacity import Capacity

TARGET_USE = 0.75
"""Share of the capacity that pacing plans for. The rest takes up first calls, retries and lateness; at 0.75
the mean wait in an M/D/1 queue is 1.5 service times."""

JITTER = 0.05
"""Share by which intervals are spread, so that prints that began together do not stay in step."""

LEVELLING_SHARE = 0.10
"""Share of its interval by which a healthy print may be moved to find a second with capacity left."""

EQUAL_INTERVALS_STRETCH = 0.5
"""Stretch beyond 1 at which `minimum` has risen to `recommended`: urgent clients may use spare capacity, but
not what others wait for."""

HEALTHY_ONLY_STRETCH = 2.0
"""Stretch up to which only healthy prints wait longer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an operator allows, seconds: least, at rest, at rest while suspicious, most."""

    least: int = 20
    rest: int = 40
    suspicious: int = 20
    most: int = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """The next interval of one print, whole seconds: `minimum` is the soonest that the load allows any print,
    `recommended` what this print should do. 20 <= minimum <= recommended <= the ceiling."""

    minimum: int
    recommended: int


class Pacer:
    """Plans intervals. speed: how many print seconds pass in a real one (the clock's speed)."""

    def __init__(self, bounds: Bounds, capacity: Capacity, load: CallSchedule, *, speed: float = 1.0) -> None:
        self._bounds = bounds
        self._capacity = capacity
        self._load = load
        self._speed = speed

    def plan(self, suspicious: bool, at: datetime) -> Plan:
        """The next interval of a print that looks suspicious or not. Random within the jitter."""
        x = self.stretch(at)
        soonest = self._bounds.suspicious * max(1.0, x / HEALTHY_ONLY_STRETCH)
        if suspicious:
            # Jitter never shortens the shorter share: at rest it is the least interval.
            recommended = self._within(soonest * random.uniform(1.0, 1.0 + JITTER))
            return Plan(min(self._within(soonest), recommended), recommended)
        wanted = min(max(self._bounds.rest * x, soonest), self._bounds.most / (1.0 + JITTER))
        recommended = self._level(wanted * random.uniform(1.0 - JITTER, 1.0 + JITTER), at)
        hurry = 1.0 - min(1.0, (x - 1.0) / EQUAL_INTERVALS_STRETCH)
        minimum = self._within(recommended - hurry * (recommended - self._bounds.suspicious))
        return Plan(min(minimum, recommended), recommended)

    def called(self, plan: Plan, suspicious: bool, at: datetime) -> None:
        """A print was given `plan`, in an answer or a refusal: it is live and will call then."""
        self._load.called(plan.recommended, suspicious, at)

    def inherit(self, prints: Prints, per_second: float, ago: float, at: datetime) -> None:
        """Expect the prints of the process that ended here `ago` seconds of print time ago and did
        `per_second` inspections: they come back spread over the interval that it gave."""
        budget = TARGET_USE * per_second / self._speed
        interval = min(self._bounds.rest * stretch(prints, budget, self._bounds), self._bounds.most)
        left = max(0.0, 1.0 - ago / interval)
        until = at + timedelta(seconds=left * interval)
        self._load.expect(prints.healthy * left, prints.suspicious * left, at, until)

    def stretch(self, at: datetime) -> float:
        """x of the equation above: 1 at rest, growing with the load."""
        return stretch(self._load.prints(at), self._budget(), self._bounds)

    def _budget(self) -> float:
        """Calls that may be made in one second of print time."""
        return TARGET_USE * self._capacity.per_second / self._speed

    def _level(self, seconds: float, at: datetime) -> int:
        """The whole second nearest to `seconds` from now that is not fully booked; if all within reach are,
        the one that is booked least."""
        middle = self._within(seconds)
        reach = math.ceil(LEVELLING_SHARE * middle)
        first = max(self._bounds.least, middle - reach)
        booked = self._load.booked(at, first, min(self._bounds.most, middle + reach))
        budget = self._budget()
        free = [second for second, calls in enumerate(booked, first) if calls < budget]
        if free:
            return min(free, key=lambda second: (abs(second - middle), second))
        return first + min(range(len(booked)), key=booked.__getitem__)

    def _within(self, seconds: float) -> int:
        return max(self._bounds.least, min(round(seconds), self._bounds.most))


def stretch(prints: Prints, budget: float, bounds: Bounds) -> float:
    """Solve the pacing equation for x. budget: calls a second that may be made, above 0."""
    healthy = prints.healthy / bounds.rest
    suspicious = prints.suspicious / bounds.suspicious
    if healthy + suspicious <= budget:
        return 1.0
    if healthy <= (budget - suspicious) * HEALTHY_ONLY_STRETCH:
        return healthy / (budget - suspicious)
    return (healthy + suspicious * HEALTHY_ONLY_STRETCH) / budget
