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

    digest: of its thumbnail, 8 bytes.  nats: how far it spoke for a failure when it was new.
    score: 0..100, how far the repeats have raised the print's score; 0 before the first repeat.
    seconds: of repeats at quality 1-3.
    """

    digest: bytes = bytes(DIGEST_BYTES)
    nats: float = 0.0
    score: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, thumbnail: bytes, nats: float) -> Still:
        """A new picture."""
        return cls(_digest(thumbnail), nats)

    def repeats(self, thumbnail: bytes, logit_change: float) -> bool:
        """Whether it is the same picture once more, not only a scene without motion before a live camera."""
        return abs(logit_change) <= c.STILL_LOGIT and _digest(thumbnail) == self.digest

    def again(self, probability: float, score: float, seconds: float) -> Still:
        """After one more repeat, `seconds` after the last picture: the score nears the picture's own.

        probability: of a failure, 0..1, in this picture.  score: the print's, 0..100. A repeat never makes
        a print look better, and a picture that is usual for the print, or marked, changes nothing.
        """
        before = max(self.score, score)
        own = 100 * probability
        if probability < c.LOOKS_FAILED:
            own = min(own, c.HIGHEST_WATCHED_SCORE)
        if self.nats <= 0 or own <= before:
            return self
        share = c.STILL_STEP * min(1.0, seconds / c.USUAL_INTERVAL)
        low = quality_of(round(before)) <= c.BAD_QUALITY
        return replace(
            self,
            score=before + share * (own - before),
            seconds=min(self.seconds + low * min(seconds, c.LONGEST_CREDIT), c.MOST_SECONDS),
        )


def _digest(thumbnail: bytes) -> bytes:
    return hashlib.blake2b(thumbnail, digest_size=DIGEST_BYTES).digest()
