"""A print as the temporal model sees it: pictures' evidence over time, with the truth attached."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch.vision.evidence import KINDS, Condition, Evidence, HeatMap
from layerwatch.vision.model_files import packaged_models

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Print:
    """One print of n pictures.

    seconds: shape [n], since the print began.  scores: shape [n], failure probability, NaN where the picture
    cannot be judged.  heat: uint8 [n, rows, columns].  thumbnails: uint8 [n, 768].  conditions: n of
    `Condition`.  kinds: float [n, 8] or None.  onset: second at which a failure began, None if none did.
    well_until: second until which any alarm is false; by default the onset, or the end.
    """

    name: str
    seconds: Floats
    scores: Floats
    heat: NDArray[np.uint8]
    thumbnails: NDArray[np.uint8]
    conditions: list[Condition]
    onset: float | None
    kinds: Floats | None = None
    well_until: float | None = None
    tags: tuple[str, ...] = field(default=())

    @property
    def ends(self) -> float:
        return float(self.seconds[-1])

    @property
    def healthy_seconds(self) -> float:
        """Seconds during which any alarm is false."""
        if self.well_until is not None:
            return min(self.well_until, self.ends)
        return self.ends if self.onset is None else min(self.onset, self.ends)

    def evidence(self) -> Iterator[Evidence]:
        """Each picture's evidence, in order."""
        rows, columns = self.heat.shape[1:]
        for i in range(len(self.seconds)):
            score = float(self.scores[i])
            kinds = (
                (score, *(0.0,) * (len(KINDS) - 1))
                if self.kinds is None
                else tuple(map(float, self.kinds[i]))
            )
            yield Evidence(
                failure_probability=score,
                kinds=kinds,
                heat=HeatMap(rows, columns, self.heat[i].tobytes()),
                boxes=(),
                print_in_view=1.0,
                condition=self.conditions[i],
                brightness=float(self.thumbnails[i].mean()) / 255,
                sharpness=1.0,
                thumbnail=self.thumbnails[i].tobytes(),
                model_version="modelled",
                milliseconds=0.0,
            )

    def at(self, frames: NDArray[np.intp]) -> Print:
        """The same print with these pictures only."""
        kinds = None if self.kinds is None else self.kinds[frames]
        return replace(
            self,
            seconds=self.seconds[frames],
            scores=self.scores[frames],
            heat=self.heat[frames],
            thumbnails=self.thumbnails[frames],
            conditions=[self.conditions[i] for i in frames],
            kinds=kinds,
        )


def weights_key(model: Path | None) -> str:
    """Names a detector by its weights: two of the same day have the same version."""
    digest = hashlib.sha256()
    for path in [model] if model else sorted(packaged_models()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
