"""How the regions are and were: computed from the nodes' heartbeats and diaries, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from layerwatch.fleet.repository import forget_region, regions
from layerwatch.pacing.call_schedule import Prints
from layerwatch.status import repository
from layerwatch.status.models import StatusHour
from layerwatch.status.uptime_recorder import LIMITS_MS, RETENTION, TIMES

WRITE_GRACE = timedelta(minutes=3)
"""Time until every live node has written a minute: it writes once a minute and may be late."""

MINUTE = timedelta(minutes=1)

MIN_INCIDENT_MINUTES = 2
"""Minimum duration of an incident in minutes: a restart takes less."""

MERGE_GAP_MINUTES = 5
"""Incidents of a kind with at most this many minutes between them are merged."""

RECENT_MINUTES = 5
"""A problem counts as current if it occurred within this many minutes."""

KINDS = {
    "down": "did not answer",
    "failing": "more than 1 percent of the calls failed",
    "refusing": "more than 5 percent of the calls were refused",
    "away": "worked from memory: the database was out of reach",
}
"""What an incident may be, worst first."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that was wrong. until: None while it goes on."""

    region: str
    kind: str
    since: datetime
    until: datetime | None

    @property
    def what(self) -> str:
        """In words."""
        return KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class StatusDay:
    """One day of a region. up: share of its minutes in which a node lived, None where nothing is known.
    trouble: minutes in which calls failed or were refused."""

    day: date
    up: float | None
    trouble: int


@dataclass(frozen=True, slots=True)
class RegionStatus:
    """One region. state: up, draining, or down.  up_24h, up_90d: shares of the minutes since it is known.

    calls, refused, failed: of the last 24 hours.  median_ms, p99_ms: of the answers among them; the upper end
    of the class that the answer falls in, so never too small; None without answers, or above the last class.
    """

    name: str
    state: str
    trouble: str | None
    since: datetime
    up_24h: float
    up_90d: float
    capacity: float
    prints: float
    calls: int
    refused: int
    failed: int
    median_ms: int | None
    p99_ms: int | None
    days: Sequence[StatusDay]


@dataclass(frozen=True, slots=True)
class Status:
    """All of it, as it was at `at`. incidents: of 90 days, the newest first."""

    at: datetime
    regions: Sequence[RegionStatus]
    incidents: Sequence[Incident]


def status(session: Session, now: datetime) -> Status:
    """Ask the database. Reads at most 2,160 rows for each region."""
    by_region: dict[str, list[StatusHour]] = {}
    for row in repository.hours_since(session, now - RETENTION):
        by_region.setdefault(row.region, []).append(row)
    alive = {region.name: region for region in regions(session, now)}
    found, incidents = [], []
    for name, hours in by_region.items():
        minutes = _Minutes(hours, now)
        region = alive.get(name)
        mine = list(_incidents(name, minutes, alive=region is not None))
        trouble = next((one.kind for one in mine if one.until is None and one.kind != "down"), None)
        last = [hour for hour in hours if hour.hour > now - timedelta(hours=24)]
        prints = region.prints if region else Prints(0.0, 0.0)
        found.append(
            RegionStatus(
                name=name,
                state="down" if region is None else "draining" if region.draining else "up",
                trouble=trouble,
                since=minutes.first,
                up_24h=minutes.up_since(now - timedelta(hours=24)),
                up_90d=minutes.up_since(minutes.first),
                capacity=region.capacity if region else 0.0,
                prints=prints.healthy + prints.suspicious,
                calls=sum(hour.answered + hour.refused + hour.failed for hour in last),
                refused=sum(hour.refused for hour in last),
                failed=sum(hour.failed for hour in last),
                median_ms=_percentile(last, 0.5),
                p99_ms=_percentile(last, 0.99),
                days=list(minutes.days()),
            )
        )
        incidents += mine
    incidents.sort(key=lambda one: one.since, reverse=True)
    return Status(now, found, incidents)


class _Minutes:
    """A region's minutes from the first in which it lived to the last that is surely written down."""

    def __init__(self, hours: Sequence[StatusHour], now: datetime) -> None:
        self.now = now
        self._hours = {hour.hour: hour for hour in hours}
        first = next((hour for hour in hours if hour.up), hours[0])
        lowest = (first.up & -first.up).bit_length() - 1 if first.up else 0
        self.first = first.hour + lowest * MINUTE
        self.end = max(self.first, (now - WRITE_GRACE).replace(second=0, microsecond=0))

    def bit(self, kind: str, at: datetime) -> bool:
        """Whether the minute has the mark."""
        hour = self._hours.get(at.replace(minute=0))
        marks = getattr(hour, "up" if kind == "down" else kind) if hour is not None else 0
        marked = bool(marks >> at.minute & 1)
        return not marked if kind == "down" else marked

    def up_since(self, since: datetime) -> float:
        """Share of the minutes since then; 1 if there are none."""
        up, known = self._up(max(since.replace(second=0, microsecond=0), self.first), self.end)
        return up / known if known else 1.0

    def days(self) -> Iterable[StatusDay]:
        """The last 90 days, the oldest first."""
        today = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        for ago in reversed(range(RETENTION.days)):
            begin = today - timedelta(days=ago)
            up, known = self._up(max(begin, self.first), min(begin + timedelta(days=1), self.end))
            trouble = sum(
                (hour.failing | hour.refusing).bit_count()
                for hour in (self._hours.get(begin + timedelta(hours=number)) for number in range(24))
                if hour is not None
            )
            yield StatusDay(begin.date(), up / known if known > 0 else None, trouble)

    def _up(self, begin: datetime, end: datetime) -> tuple[int, int]:
        """Minutes that it lived, and all, from begin to end."""
        up, at = 0, begin
        while at < end:
            hour = at.replace(minute=0)
            stop = min(end, hour + timedelta(hours=1))
            row = self._hours.get(hour)
            if row is not None:
                width = (stop - at) // MINUTE
                up += (row.up >> at.minute & ((1 << width) - 1)).bit_count()
            at = stop
        return up, max(0, (end - begin) // MINUTE)

    def spans(self, kind: str) -> Iterable[tuple[datetime, datetime]]:
        """Stretches of marked minutes, those with short gaps joined."""
        began: datetime | None = None
        last = self.first
        at = self.first
        while at < self.end:
            if at.minute == 0 and self._skippable(kind, at):
                at += timedelta(hours=1)
                continue
            if self.bit(kind, at):
                if began is not None and at - last > (MERGE_GAP_MINUTES + 1) * MINUTE:
                    yield began, last + MINUTE
                    began = None
                began, last = began or at, at
            at += MINUTE
        if began is not None:
            yield began, last + MINUTE

    def _skippable(self, kind: str, at: datetime) -> bool:
        """Whether the whole hour has no such mark, as almost all have."""
        if at + timedelta(hours=1) > self.end:
            return False
        hour = self._hours.get(at)
        if kind == "down":
            return hour is not None and hour.up.bit_count() == 60
        return hour is None or getattr(hour, kind) == 0


def _incidents(region: str, minutes: _Minutes, *, alive: bool) -> Iterable[Incident]:
    for kind in KINDS:
        for since, until in minutes.spans(kind):
            if until - since < MIN_INCIDENT_MINUTES * MINUTE:
                continue
            # A region that is heard again is up, although its first minutes are not written down yet.
            goes_on = not alive and until >= minutes.end
            if kind != "down":
                goes_on = minutes.end - until < RECENT_MINUTES * MINUTE
            yield Incident(region, kind, since, None if goes_on else until)


def remove_region(session: Session, region: str) -> bool:
    """Delete a region and its history from the status page; False if it had none."""
    forget_region(session, region)
    return repository.delete_region(session, region)


def _percentile(hours: Sequence[StatusHour], share: float) -> int | None:
    counts = [sum(getattr(hour, name) for hour in hours) for name in TIMES]
    wanted, seen = share * sum(counts), 0
    if not wanted:
        return None
    for count, limit in zip(counts, LIMITS_MS, strict=False):
        seen += count
        if seen >= wanted:
            return limit
    return None
