"""Light on surfaces: one key lamp, a fill and the surroundings; colours are 0..1 a channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
FILL = np.array([0.72, -0.66, 0.21])
"""Towards the weak second light that a room gives: from the front right."""


@dataclass(frozen=True)
class Light:
    """towards: unit vector to the key lamp; key, ambient: RGB strength."""

    towards: Points
    key: Points
    ambient: Points

    def shade(self, albedo: Points, normals: Points, view: Points, gloss: float) -> Points:
        """Colours (M, 3) of surfaces with unit `normals` (M, 3) seen from unit directions `view` (M, 3)."""
        facing = normals @ self.towards
        sky = 0.62 + 0.38 * normals[:, 2]
        bounce = np.maximum(normals @ FILL, 0) * 0.45
        colour = albedo * (self.ambient * (sky + bounce)[:, None] + self.key * np.maximum(facing, 0)[:, None])
        half = self.towards + view
        half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9)
        shine = np.maximum((normals * half).sum(axis=1), 0) ** 24 * (facing > 0)
        rim = (1 - np.abs((normals * view).sum(axis=1))) ** 3 * 0.25
        lit: Points = colour + gloss * (shine + rim)[:, None] * self.key
        return lit

    def shade_strand(self, albedo: Points, tangents: Points) -> Points:
        """Colours (M, 3) of thin threads along unit `tangents` (Kajiya and Kay 1989: sine to the lamp)."""
        along = tangents @ self.towards
        diffuse = np.sqrt(np.maximum(1 - along**2, 0))
        lit: Points = albedo * (self.ambient + 0.85 * self.key * diffuse[:, None])
        lit = lit + 0.18 * self.key * (diffuse**12)[:, None]
        return lit
