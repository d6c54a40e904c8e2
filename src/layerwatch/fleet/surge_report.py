"""What a simulated surge came to, in the few numbers that an operator wants to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerwatch.fleet.simulation import Result

WINDOW = 10
"""Seconds over which shares and intervals are averaged."""

SETTLED_THROTTLE_SHARE = 0.01
"""Share of throttled calls below which a surge counts as over."""

SETTLED_INTERVAL_SHARE = 0.10
"""Share around the last interval within which it counts as settled."""


@dataclass(frozen=True, slots=True)
class SurgeReport:
    """throttled_during, throttled_after: share of calls in the surge; two intervals after the last event.
    few_throttled_after, settled_after: seconds from the last event's end (the surge, or a region's loss);
    None: never.
    interval: mean given to healthy prints in the last quarter, seconds; overshoot: how far above it the
    interval went after that, as a share; swings: times it went from one side of the 10 % band to the
    other after it.  use: share of the fleet's true capacity in the last quarter.
    """

    throttled_during: float
    throttled_after: float
    few_throttled_after: int | None
    settled_after: int | None
    interval: float
    overshoot: float
    swings: int
    use: float


def settling(result: Result) -> SurgeReport:
    """Judge a run."""
    scenario = result.scenario
    surged = scenario.surge_at + scenario.surge_seconds
    end = surged if scenario.lost is None else max(surged, scenario.lost_at)
    last_quarter = scenario.seconds * 3 // 4
    given = _smooth(result.mean_interval())
    interval = float(np.nanmean(given[last_quarter:]))
    off = (given[end:] - interval) / interval
    called = _smooth(result.called.sum(axis=1))[end:]
    throttled = _smooth(result.throttled.sum(axis=1))[end:]
    shares = np.divide(throttled, called, out=np.zeros_like(called), where=called > 0)
    settled = _last(np.abs(off) > SETTLED_INTERVAL_SHARE)
    alive = sum(site.capacity for site in scenario.sites if site.name != scenario.lost)
    return SurgeReport(
        throttled_during=result.throttled_share(scenario.surge_at, surged),
        throttled_after=result.throttled_share(end + round(2 * interval), scenario.seconds),
        few_throttled_after=_last(shares >= SETTLED_THROTTLE_SHARE),
        settled_after=settled,
        interval=interval,
        overshoot=max(0.0, float(np.nanmax(off))),
        swings=_swings(off),
        use=float(result.answered[last_quarter:].sum(axis=1).mean()) / alive,
    )


def _smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean over the `WINDOW` seconds up to each, without the seconds that have no value."""
    known = ~np.isnan(values)
    sums = np.cumsum(np.where(known, values, 0.0))
    counts = np.cumsum(known)
    sums[WINDOW:], counts[WINDOW:] = sums[WINDOW:] - sums[:-WINDOW], counts[WINDOW:] - counts[:-WINDOW]
    means: npt.NDArray[np.float64] = np.full(len(values), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def _last(wrong: npt.NDArray[np.bool_]) -> int | None:
    """The second after the last that is wrong; None if the very last one is."""
    if not wrong.any():
        return 0
    last = int(np.flatnonzero(wrong)[-1])
    return None if last == len(wrong) - 1 else last + 1


def _swings(off: npt.NDArray[np.float64]) -> int:
    sides = np.sign(off[np.abs(off) > SETTLED_INTERVAL_SHARE])
    return int((np.diff(sides) != 0).sum())
