"""Rendered stills as the student's exercises: kinds drawn evenly enough that the rare ones are seen."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from layerwatch.vision.evidence import KINDS
from layerwatch_train.rendered import Rendered

SHARES = {
    "": 17.0,
    "spaghetti": 4.2,
    "detachment": 5.5,
    "warping": 2.0,
    "layer_shift": 2.0,
    "blob": 2.0,
    "stringing": 1.5,
    "under_extrusion": 2.1,
    "bed_not_clear": 0.8,
}
"""How often each kind is drawn, against each other; \"\" is healthy."""


class Still(NamedTuple):
    """image: [S, S, 3] uint8.  truth: [G, G] share of each cell that fails, 0..1.  kinds: [8], 0 or 1."""

    image: NDArray[np.uint8]
    truth: NDArray[np.float32]
    kinds: NDArray[np.float32]

    @property
    def failed(self) -> bool:
        return bool(self.kinds.any())


class Stills:
    """The stills of a store of rendered pictures. grid: cells a side of `truth`."""

    def __init__(self, store: Rendered, grid: int):
        self.store, self.grid = store, grid
        self.places = store.positions()
        kinds = store.kinds[self.places]
        names = np.where(kinds.any(1), np.array(KINDS)[kinds.argmax(1)], "")
        weight = np.array([SHARES[name] / np.count_nonzero(names == name) for name in names])
        self.share = weight / weight.sum()

    def draw(self, rng: np.random.Generator) -> Still:
        place = int(rng.choice(self.places, p=self.share))
        mask = self.store.masks[place].astype(np.float32) / 255
        truth = cv2.resize(mask, (self.grid, self.grid), interpolation=cv2.INTER_AREA)
        image, kinds = np.array(self.store.images[place]), np.array(self.store.kinds[place])
        return Still(image, np.asarray(truth, np.float32), kinds)
