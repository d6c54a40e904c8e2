"""Billing periods: calendar months in UTC, written `2026-11`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

_WRITTEN = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One calendar month in UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, at: datetime) -> Self:
        """The month in which the moment `at` (aware) lies."""
        at = at.astimezone(UTC)
        return cls(at.year, at.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `2026-11`. Raises ValueError for anything else."""
        written = _WRITTEN.fullmatch(text)
        if not written or not 1970 <= int(written[1]) < 9999:
            raise ValueError(f"{text!r} is no month: write it as 2026-11")
        return cls(int(written[1]), int(written[2]))

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.next.start

    @property
    def next(self) -> Month:
        """The month after it."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def previous(self) -> Month:
        """The month before it."""
        return Month(self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    def since(self, other: Month) -> int:
        """Months from `other` to this one; negative if it is later."""
        return 12 * (self.year - other.year) + self.month - other.month

    @property
    def hours(self) -> tuple[int, int]:
        """Its first hour, and the first hour after it, as `hour_of` counts them."""
        return hour_of(self.start), hour_of(self.end)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


def hour_of(at: datetime) -> int:
    """Whole hours from 1970 to the moment `at` (aware)."""
    return (at - _EPOCH) // _HOUR


def hour_start(hour: int) -> datetime:
    """The first moment of an hour as `hour_of` counts them."""
    return _EPOCH + hour * _HOUR
