"""A fleet under load, simulated second by second around the pacing code that the server runs.

Real: `Pacer`, `CallSchedule`, `Capacity`, `Admission.check` and `regions.RegionRouter`, one of each a region.
Approximated:
- prints move in cohorts of equal size that call in the same second (10 million prints are 20,000 cohorts of
  500); a cohort draws its jitter together, so bursts come out larger than in truth, never smaller;
- a region's nodes behind an even load balancer are one node with the sum of their capacities;
- what waits in a region's queue is a fluid that drains at the true capacity, in steps of a second;
- prints do not end; a print turns suspicious, and healthy again, at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from layerwatch.fleet.region_router import Region, RegionRouter
from layerwatch.pacing.admission import Admission
from layerwatch.pacing.call_schedule import CallSchedule
from layerwatch.pacing.capacity import Capacity
from layerwatch.pacing.errors import Throttled
from layerwatch.pacing.pacer import Bounds, Pacer

HEARTBEAT = 5
"""Seconds between what regions tell each other."""

QUEUE_SECONDS = 1.5
"""Length of a region's queue in seconds of its capacity: 64 pictures on a node that does 43 a second."""

_START = datetime(2030, 1, 1, tzinfo=UTC)
_SUSPICIOUS_FOR = 180.0
"""Mean seconds for which a print looks suspicious."""


@dataclass(frozen=True, slots=True)
class Site:
    """A region of the scenario. capacity: what it truly does a second; believed: its first estimate."""

    name: str
    capacity: float
    believed: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens. Times in seconds from the start.

    prints: live at the end.  surge: how many times more there are after the surge than before.
    lost: a region that is cut off at `lost_at`; its prints go on through their fallback URL.
    """

    sites: Sequence[Site]
    prints: int
    surge: float = 10.0
    surge_at: int = 300
    surge_seconds: int = 60
    seconds: int = 1500
    suspicious: float = 0.05
    cohorts: int = 20_000
    lost: str | None = None
    lost_at: int = 900
    seed: int = 1
    bounds: Bounds = field(default_factory=Bounds)
    jitter: bool = True
    """False: every print that starts before the surge starts in the same second."""


@dataclass(slots=True)
class Result:
    """What came of it: one row a second, one column a region, in the order of `scenario.sites`.

    called, answered, throttled: prints' calls; intervals: mean interval of healthy prints (nan: to none);
    stretch: x of the pacing equation; believed: the capacity estimate.
    """

    scenario: Scenario
    called: npt.NDArray[np.float64]
    answered: npt.NDArray[np.float64]
    throttled: npt.NDArray[np.float64]
    intervals: npt.NDArray[np.float64]
    stretch: npt.NDArray[np.float64]
    believed: npt.NDArray[np.float64]

    def throttled_share(self, first: int, last: int) -> float:
        """Share of the calls in these seconds that were throttled, over all regions."""
        calls = float(self.called[first:last].sum())
        return float(self.throttled[first:last].sum()) / calls if calls else 0.0

    def mean_interval(self) -> npt.NDArray[np.float64]:
        """Mean interval given in each second over the regions, seconds, weighted by their answers."""
        weight = np.where(np.isnan(self.intervals), 0.0, self.answered)
        total = weight.sum(axis=1)
        summed = np.nansum(np.where(weight > 0, self.intervals, 0.0) * weight, axis=1)
        mean: npt.NDArray[np.float64] = np.full(len(total), np.nan)
        np.divide(summed, total, out=mean, where=total > 0)
        return mean


@dataclass(slots=True)
class _Fleet:
    """One region's real services, and the fluid before its detector."""

    site: Site
    capacity: Capacity
    load: CallSchedule
    pacer: Pacer
    admission: Admission
    backlog: float = 0.0
    alive: bool = True
    clock: list[float] = field(default_factory=lambda: [0.0])


def simulate(scenario: Scenario) -> Result:
    """Run a scenario. Deterministic in its seed, but for the jitter that the pacing code draws itself."""
    rng = np.random.default_rng(scenario.seed)
    fleets = [_fleet(site, scenario) for site in scenario.sites]
    names = [site.name for site in scenario.sites]
    router = RegionRouter(scenario.bounds)
    size = scenario.prints / scenario.cohorts
    born = _births(scenario, rng)
    home = np.full(scenario.cohorts, -1)
    second_home = np.full(scenario.cohorts, -1)
    suspicious = rng.random(scenario.cohorts) < scenario.suspicious
    due: list[list[int]] = [[] for _ in range(scenario.seconds + 1)]
    for cohort, second in enumerate(born):
        if second < scenario.seconds:
            due[second].append(cohort)
    shape = (scenario.seconds, len(fleets))
    called, answered, throttled, intervals, x, believed = (np.zeros(shape) for _ in range(6))
    healthy_answers = np.zeros(shape)
    for second in range(scenario.seconds):
        at = _START + timedelta(seconds=second)
        if scenario.lost is not None and second == scenario.lost_at:
            fleets[names.index(scenario.lost)].alive = False
        if second % HEARTBEAT == 0:
            router.learn([_region(fleet, at) for fleet in fleets if fleet.alive])
        arrivals = due[second]
        rng.shuffle(arrivals)
        for fleet in fleets:
            fleet.clock[0] = float(second)
        for cohort in arrivals:
            if home[cohort] < 0:
                chosen = router.choose(size)
                assert chosen is not None
                home[cohort], second_home[cohort] = (names.index(region.name) for region in chosen)
            if not fleets[home[cohort]].alive:
                home[cohort], second_home[cohort] = second_home[cohort], home[cohort]
            where = int(home[cohort])
            fleet = fleets[where]
            called[second, where] += size
            looks = bool(suspicious[cohort])
            try:
                fleet.admission.under_way = round(fleet.backlog)
                fleet.admission.check(0)
            except Throttled:
                throttled[second, where] += size
                looks = False  # nothing was seen; a refusal tells the interval of a healthy print
                plan = fleet.pacer.plan(False, at)
            else:
                fleet.backlog += size
                answered[second, where] += size
                plan = fleet.pacer.plan(looks, at)
                if not looks:
                    intervals[second, where] += plan.recommended * size
                    healthy_answers[second, where] += size
                suspicious[cohort] = _turn(looks, plan.recommended, scenario.suspicious, rng)
            fleet.load.called(plan.recommended, looks, at, size)
            if second + plan.recommended < scenario.seconds:
                due[second + plan.recommended].append(cohort)
        for where, fleet in enumerate(fleets):
            _drain(fleet)
            x[second, where] = fleet.pacer.stretch(at)
            believed[second, where] = fleet.capacity.per_second
    intervals = np.divide(intervals, healthy_answers, out=np.full(shape, np.nan), where=healthy_answers > 0)
    return Result(scenario, called, answered, throttled, intervals, x, believed)


def _fleet(site: Site, scenario: Scenario) -> _Fleet:
    clock = [0.0]
    capacity = Capacity(site.believed or site.capacity, monotonic=lambda: clock[0])
    load = CallSchedule()
    admission = Admission(max(1, round(site.capacity * QUEUE_SECONDS)), 5.0, 1, capacity)
    return _Fleet(site, capacity, load, Pacer(scenario.bounds, capacity, load), admission, clock=clock)


def _births(scenario: Scenario, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Second of each cohort's first call: those before the surge spread over one interval at rest."""
    first = round(scenario.cohorts / scenario.surge)
    spread = scenario.bounds.rest if scenario.jitter else 1
    before = rng.integers(0, spread, first)
    during = scenario.surge_at + rng.integers(0, scenario.surge_seconds, scenario.cohorts - first)
    return np.concatenate([before, during])


def _turn(looks: bool, seconds: float, share: float, rng: np.random.Generator) -> bool:
    """Whether a print looks suspicious `seconds` later: two states, `share` of the time suspicious."""
    stay = np.exp(-seconds / _SUSPICIOUS_FOR)
    return bool(rng.random() < share + (looks - share) * stay)


def _drain(fleet: _Fleet) -> None:
    """One second of the detector's work, reported to the capacity estimate as on a node."""
    done = min(fleet.backlog, fleet.site.capacity)
    if done <= 0:
        return
    waiting = round(fleet.backlog)
    fleet.capacity.started(waiting)
    # A second that did not fill the detector took it only so long.
    fleet.clock[0] += done / fleet.site.capacity
    fleet.backlog -= done
    fleet.capacity.finished(waiting if fleet.backlog > 0 else 0, round(done))


def _region(fleet: _Fleet, at: datetime) -> Region:
    return Region(fleet.site.name, "", fleet.capacity.per_second, fleet.load.prints(at))
