"""A pinhole camera: where points of the world land in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
NEAR = 8.0
"""Nearest distance drawn, mm."""


@dataclass(frozen=True)
class SimulatedCamera:
    """eye, target: mm in the frame of the printer; view: horizontal angle in degrees; roll in degrees.

    width, height: pixels of the picture that `project` speaks of.
    """

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    view: float
    width: int
    height: int
    roll: float = 0.0

    @cached_property
    def axes(self) -> Points:
        """Rows: right, down, forward."""
        forward = np.array(self.target) - np.array(self.eye)
        forward = forward / np.linalg.norm(forward)
        up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.995 else np.array([0.0, 1.0, 0.0])
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        turn = np.deg2rad(self.roll)
        return np.stack(
            [right * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - right * np.sin(turn), forward]
        )

    @property
    def focal(self) -> float:
        return float(self.width / 2 / np.tan(np.deg2rad(self.view) / 2))

    def project(self, points: Points) -> tuple[Points, Points]:
        """Points (…, 3) → pixels (…, 2) and depth (…,) in mm; what is nearer than `NEAR` gets NaN pixels."""
        seen = (points - np.array(self.eye)) @ self.axes.T
        depth = seen[..., 2]
        safe = np.where(depth > NEAR, depth, np.nan)
        pixels = seen[..., :2] * (self.focal / safe)[..., None] + np.array([self.width / 2, self.height / 2])
        return pixels, depth
