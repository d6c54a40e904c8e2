"""Other views of a kept sample: what it shows, turned and lit anew, and what is known of it turned alike.

The teacher looked at the sample once, as it was kept; a small turn does not change what it should say.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

_USUAL, _SMALL = (0.87, 1.2), (0.55, 1.3)
"""Ranges of magnification."""

_TRIES = 2
_KEPT_AT_LEAST = 0.5
"""Of a failure's area: a view that cuts off more is drawn again, then taken without a change of scale."""


def turned(
    lessons: NDArray[np.floating], turn: NDArray[np.float64], side: int, missing: str = "reflection"
) -> Tensor:
    """[C, G, G] maps → [C, side, side] under `turn`, 2x3 from places of the view to places of the sample,
    both from -1 to 1."""
    grid = F.affine_grid(torch.from_numpy(turn).float()[None], [1, 1, side, side], align_corners=False)
    source = torch.from_numpy(np.array(lessons, np.float32))[None]
    return F.grid_sample(source, grid, padding_mode=missing, align_corners=False)[0]


def draw_turn(
    truth: NDArray[np.float32], rng: np.random.Generator, small: float = 0.0
) -> NDArray[np.float64]:
    """A turn that keeps most of the failure that `truth` [G, G] shows, if it shows one.

    small: share of turns that may show the picture at half of its size, its surroundings mirrored.
    """
    if rng.random() < small:
        return _turn(rng, _SMALL)
    turn, before = _turn(rng, _USUAL), float(truth.clip(min=0).mean())
    for attempt in range(_TRIES):
        if before == 0 or float(turned(truth[None], turn, len(truth)).mean()) > _KEPT_AT_LEAST * before:
            break
        turn = _turn(rng, _USUAL if attempt + 1 < _TRIES else (1.0, 1.0))
    return turn


def _turn(rng: np.random.Generator, scales: tuple[float, float]) -> NDArray[np.float64]:
    scale = np.exp(rng.uniform(*np.log(scales)))
    aspect = np.exp(rng.uniform(-0.1, 0.1))
    angle = np.deg2rad(rng.normal(0, 5)) + (np.pi if rng.random() < 0.1 else 0.0)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    spare = max(0.0, 1 - 1 / scale) + 0.06
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror / (scale * aspect), aspect / scale])
    return np.concatenate([matrix, rng.uniform(-spare, spare, (2, 1))], axis=1)


def picture(image: NDArray[np.uint8], turn: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """[S, S, 3] → [size, size, 3] under the same turn."""
    source, view = len(image) / 2, size / 2
    matrix = turn.copy()
    matrix[:, :2] *= source / view
    matrix[:, 2] = turn[:, :2] @ np.full(2, 0.5 / view - 1) * source + (turn[:, 2] + 1) * source - 0.5
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(image, matrix, (size, size), flags=how, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)
