"""The same picture over again: no new evidence about the print, but it still shows what it shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from layerwatch.temporal import constants as c
from layerwatch.temporal.alarm import quality_of

DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Still:
    """The last picture, and what came of its repeats.

    digest: of its thumbnail, 8 bytes.
    says: the score, 0..100, to which its repeats lead; 0 if they change nothing.
    score: how far the repeats have raised the print's score, 0..100; 0 before the first repeat.
    seconds: of repeats at quality 1-3.
    """

    digest: bytes = bytes(DIGEST_BYTES)
    says: float = 0.0
    score: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, thumbnail: bytes, probability: float, *, new: bool, plain: bool) -> Still:
        """A picture seen for the first time.

        probability: of a failure in it, 0..1.  new: the failure is not usual for this print.
        plain: the print has shown little else yet, or looks suspicious with it. One odd picture of a print
        that went well is worth watching, but no warning.
        """
        says = 100 * min(max(probability, 0.0), 1.0)
        if not new or quality_of(round(says)) > c.WATCHED_QUALITY:
            return cls(_digest(thumbnail))
        plain = plain and probability >= c.LOOKS_FAILED
        return cls(_digest(thumbnail), says if plain else min(says, c.HIGHEST_WATCHED_SCORE))

    def repeats(self, thumbnail: bytes, logit_change: float) -> bool:
        """Whether it is the same picture once more, not only a scene without motion before a live camera."""
        return abs(logit_change) <= c.STILL_LOGIT and _digest(thumbnail) == self.digest

    def again(self, score: float, seconds: float) -> Still:
        """After one more repeat, `seconds` after the last picture: the score nears what the picture says.

        score: the print's, 0..100. A repeat never makes a print look better.
        """
        before = max(self.score, score)
        share = c.STILL_STEP * min(1.0, seconds / c.USUAL_INTERVAL)
        low = max(map(quality_of, (round(before), round(self.says)))) <= c.BAD_QUALITY
        return replace(
            self,
            score=before + share * max(self.says - before, 0.0) if self.says > 0 else 0.0,
            seconds=min(self.seconds + low * min(seconds, c.MAX_CREDIT_SECONDS), c.MAX_COUNTED_SECONDS),
        )


def _digest(thumbnail: bytes) -> bytes:
    return hashlib.blake2b(thumbnail, digest_size=DIGEST_BYTES).digest()
