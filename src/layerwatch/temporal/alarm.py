"""From belief to answer: quality bands, and flags for every confidence level at once.

Flags are kept for all five levels, whatever level was asked for. Each level's conditions contain the next
higher one's, and all levels go down together; so a lower level never fires later, by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

from layerwatch.temporal import constants as c


@dataclass(frozen=True, slots=True)
class Alarm:
    """Seconds of low quality so far, seconds since, and one bit a level."""

    bad_seconds: float
    good_seconds: float
    warned: int
    paused: int


def quality_of(score: int) -> int:
    """Quality, 1..10, as a band of the score."""
    return 10 - sum(score > highest for highest in c.QUALITY_SCORES)


def advance(alarm: Alarm, was_bad: bool, quality: int, log_odds: float, seconds: float) -> Alarm:
    """The flags after a frame of `quality`, `seconds` after the last frame that counted."""
    credit = min(seconds, c.LONGEST_CREDIT)
    bad, good = alarm.bad_seconds, alarm.good_seconds
    if quality <= c.BAD_QUALITY:
        bad = bad + credit if was_bad else max(bad, 0.0)
        good = 0.0
    else:
        bad = max(0.0, bad - credit)
        good = good + credit if quality >= c.CLEAR_QUALITY else 0.0
    warned, paused = alarm.warned, alarm.paused
    if good >= c.CLEAR_SECONDS:
        warned = paused = 0
    if quality <= c.BAD_QUALITY:
        warned |= _levels_due(bad, log_odds, c.WARNING_SECONDS)
        paused |= _levels_due(bad, log_odds, c.PAUSE_SECONDS)
    return Alarm(bad, good, warned, paused)


def raised(bits: int, level: int) -> bool:
    """Whether the flag of this level is up."""
    return bool(bits >> (level - 1) & 1)


def _levels_due(bad_seconds: float, log_odds: float, table: tuple[tuple[float, float], ...]) -> int:
    doubt = (c.SURE_LOG_ODDS - log_odds) / (c.SURE_LOG_ODDS - c.UNSURE_LOG_ODDS)
    doubt = min(max(doubt, 0.0), 1.0)
    bits = 0
    for index, (sure, unsure) in enumerate(table):
        if bad_seconds >= sure + doubt * (unsure - sure):
            bits |= 1 << index
    return bits
