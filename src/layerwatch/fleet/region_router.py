"""Which region a new print is sent to, and which one is its second.

Capacity before distance: the region with the most calls a second to spare. What was handed out since the
regions last reported their numbers is taken off first, so that a rush is spread over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerwatch.pacing.call_schedule import Prints
from layerwatch.pacing.pacer import TARGET_USE, Bounds


@dataclass(frozen=True, slots=True)
class Region:
    """One region as its nodes last described it. capacity: inspections a second of all its nodes."""

    name: str
    url: str
    capacity: float
    prints: Prints
    draining: bool = False

    def spare(self, bounds: Bounds, more: float = 0.0) -> float:
        """Calls a second left if every print, and `more` healthy ones, came at rest; below 0 in a stretched
        region, and then relative to its capacity, so that all are stretched alike."""
        calls = (self.prints.healthy + more) / bounds.rest + self.prints.suspicious / bounds.suspicious
        spare = TARGET_USE * self.capacity - calls
        return spare if spare >= 0 else spare / max(self.capacity, 1e-9)


class RegionRouter:
    """Hands out regions to new prints; remembers how many each was given since `learn`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._regions: tuple[Region, ...] = ()
        self._given: dict[str, float] = {}

    @property
    def regions(self) -> tuple[Region, ...]:
        """What is known."""
        return self._regions

    def learn(self, regions: Sequence[Region]) -> None:
        """Take the regions' latest numbers, which hold what was handed out before."""
        self._regions = tuple(regions)
        self._given = {}

    def choose(self, prints: float = 1.0) -> tuple[Region, Region] | None:
        """The region for a new print (or a cohort of `prints`), and another for its fallback URL.

        A draining region is given only when it is the last one. With one region both are the same; None
        when no region is known.
        """
        ranked = sorted(
            self._regions,
            key=lambda region: (
                region.draining,
                -region.spare(self._bounds, self._given.get(region.name, 0.0)),
                region.name,
            ),
        )
        if not ranked:
            return None
        first = ranked[0]
        second = ranked[1] if len(ranked) > 1 else first
        self._given[first.name] = self._given.get(first.name, 0.0) + prints
        return first, second
