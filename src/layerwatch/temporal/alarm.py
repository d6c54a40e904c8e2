"""From belief to answer: quality bands, and flags for every confidence level at once.

Flags are kept for all five levels, whatever level was asked for. Each level's conditions contain the next
higher one's, and all levels go down together; so a lower level never fires later, by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerwatch.temporal import constants as c

_PLAIN_PAUSE = tuple((seconds, seconds) for seconds in c.PLAIN_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class AlarmState:
    """bad_seconds: seconds at quality 1-3, less those of pictures that spoke against a failure.
    good_seconds: seconds at good quality since.
    warned, paused: one bit a level, level 1 the lowest."""

    bad_seconds: float = 0.0
    good_seconds: float = 0.0
    warned: int = 0
    paused: int = 0

    def after(
        self,
        last_quality: int,
        quality: int,
        log_odds: float,
        seconds: float,
        nats: float,
        patience: float,
        plain: bool = False,
    ) -> AlarmState:
        """The flags after a frame of `quality`, `seconds` after the last one that counted.

        nats: this frame's evidence for a failure. A frame that looks healthy raises no flag, and evidence
            against a failure subtracts as much time as it would have added.
        patience: how many times as long as usual a pause takes, 1 or more.
        plain: the frame as a whole and its places both show a failure plainly; a pause then takes less
            time, and no patience.
        """
        credit = min(seconds, c.MAX_CREDIT_SECONDS)
        if quality > c.BAD_QUALITY:
            good = self.good_seconds + credit if quality >= c.CLEAR_QUALITY else 0.0
            if good >= c.CLEAR_SECONDS:
                return AlarmState(good_seconds=min(good, c.MAX_COUNTED_SECONDS))
            return AlarmState(max(0.0, self.bad_seconds - credit), good, self.warned, self.paused)
        bad = self.bad_seconds
        if nats < 0:
            bad = max(0.0, bad - credit)
        elif last_quality <= c.BAD_QUALITY:
            bad = min(bad + credit, c.MAX_COUNTED_SECONDS)
        if nats <= c.RISE_NATS:
            return AlarmState(bad, 0.0, self.warned, self.paused)
        warned = self.warned | _levels_due(bad, log_odds, c.WARNING_SECONDS)
        paused = self.paused | _levels_due(bad / patience, log_odds, c.PAUSE_SECONDS)
        if plain and log_odds >= c.PLAIN_LOG_ODDS:
            paused |= _levels_due(bad, log_odds, _PLAIN_PAUSE)
        return AlarmState(bad, 0.0, warned | paused, paused)

    def still(self, seconds: float, log_odds: float) -> AlarmState:
        """The flags after `seconds` of the same low-quality picture: it warns, but never pauses."""
        return replace(self, warned=self.warned | _levels_due(seconds, log_odds, c.WARNING_SECONDS))


def quality_of(score: int) -> int:
    """Quality, 1..10, as a band of the score."""
    return 10 - sum(score > highest for highest in c.QUALITY_SCORES)


def lowest_score(quality: int) -> int:
    """The lowest score, 0..100, of a quality of 2 to 9."""
    return c.QUALITY_SCORES[9 - quality] + 1


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
