"""What a print knows of its printer from earlier prints, while it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerwatch.temporal import constants as c
from layerwatch.temporal.marks import Marks, Origin, Strengths
from layerwatch.temporal.places import PLACES, Logits

_NOTHING_USUAL = np.full(PLACES, -c.LOGIT_LIMIT, np.float16)


@dataclass(frozen=True, slots=True)
class Familiar:
    """Places of one camera that looked like a failure in earlier prints and were none.

    camera: 16 bytes, as `CameraState.name`.
    usual, accepted: uint8 [64], failure probability by place, 0..255 for 0..1: in prints that ended well, and
        where a person said so.  usual_area, accepted_area: lit share of the picture, 0..1.
    """

    camera: bytes
    usual: Strengths
    usual_area: float
    accepted: Strengths
    accepted_area: float

    def share(self, seen: Logits | None, area: float) -> float:
        """How far all that looks like a failure is known from earlier prints, 0 (something is new) to 1.

        Nothing that looks like a failure anywhere is 0, too: there is nothing to know it by.
        """
        return max(self._known(self.usual, self.usual_area, seen, area), self._marked(seen, area))

    def discount(self, seen: Logits | None, area: float) -> float:
        """The share of a picture's evidence for a failure that is lost, 0 to below 1, to a person's marks."""
        return c.ACCEPTED_DISCOUNT * self._marked(seen, area)

    def _marked(self, seen: Logits | None, area: float) -> float:
        return self._known(self.accepted, self.accepted_area, seen, area)

    @staticmethod
    def _known(strengths: Strengths, known_area: float, seen: Logits | None, area: float) -> float:
        if seen is None or area <= 0 or strengths.max() < 255 * c.LIT_PLACE:
            return 0.0
        return 1 - Marks(Origin.PERSON, strengths, known_area).growth(seen, area, _NOTHING_USUAL)
