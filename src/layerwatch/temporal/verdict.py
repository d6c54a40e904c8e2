"""What the model says about the print after a frame."""

from __future__ import annotations

from dataclasses import dataclass

from layerwatch.vision.evidence import Condition


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one frame.

    quality: 1 (failure) to 10 (perfect).  score: 0 (perfect) to 100 (failure); quality is a band of it.
    warning, pause: whether to warn and to pause, at the levels asked for.
    suspicious: the print is worth a closer look, that is, shorter intervals; at the first hint.
    condition: of this picture; anything but OK means that it moved nothing.
    kind: the likeliest kind of failure, one of `KINDS`, while quality is 5 or lower; else None.
    """

    quality: int
    score: int
    warning: bool
    pause: bool
    suspicious: bool
    condition: Condition
    kind: str | None
