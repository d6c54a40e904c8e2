"""Calibration of the student: pictures of sources that it never saw, clean and spoilt, and rendered ones.

On clean pictures alone it comes out far too sure: they are easier than those of the next printer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from layerwatch_train.calibrate import blended, fit_platt
from layerwatch_train.export import Calibration
from layerwatch_train.model import Detector
from layerwatch_train.robustness import CORRUPTIONS

CHANGES = (
    ("motion", 0),
    ("motion", 1),
    ("smaller in view", 1),
    ("low resolution", 1),
    ("defocus", 2),
    ("dark", 2),
    ("grey", 2),
    ("turned 180/90/270", 1),
)
"""What is done to the pictures besides leaving them as they are: names of CORRUPTIONS, strengths."""

MAP_CELLS = 4
"""Highest cells whose mean the map's calibration is fitted on."""

_AT_ONCE = 16


class Labelled(NamedTuple):
    """images: [N, S, S, 3] uint8.  failed: [N]."""

    images: NDArray[np.uint8]
    failed: NDArray[np.bool_]


def spoilt(real: Labelled) -> Labelled:
    """Every picture after each of CHANGES."""
    images = [CORRUPTIONS[name](image, strength) for name, strength in CHANGES for image in real.images]
    return Labelled(np.stack(images), np.tile(real.failed, len(CHANGES)))


def fitted(model: Detector, sets: Sequence[tuple[Labelled, float]]) -> Calibration:
    """Platt scaling of `model` on `sets` of pictures, each with its share of the weight."""
    said = [_said(model, one.images) for one, _ in sets]
    failure, cells = (np.concatenate(parts) for parts in zip(*said, strict=True))
    failed = np.concatenate([one.failed for one, _ in sets])
    weights = np.concatenate([np.full(len(one.failed), share / len(one.failed)) for one, share in sets])
    scale, shift = fit_platt(blended(failure, cells), failed, weights)
    top = np.sort(cells.reshape(len(cells), -1), axis=1)[:, -MAP_CELLS:].mean(1)
    map_scale, map_shift = fit_platt(top, failed, weights)
    return Calibration(scale / 2, scale / 2, shift, map_scale, map_shift)


def _said(model: Detector, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of failure [N] and of the map [N, G, G]."""
    model.eval()
    failure, cells = [], []
    with torch.inference_mode():
        for start in range(0, len(images), _AT_ONCE):
            batch = torch.from_numpy(images[start : start + _AT_ONCE]).permute(0, 3, 1, 2)
            out = model(batch.contiguous(memory_format=torch.channels_last))
            failure.append(out.failure.double().numpy())
            cells.append(out.map.double().numpy())
    return np.concatenate(failure), np.concatenate(cells)
