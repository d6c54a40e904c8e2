"""Rendered prints from the simulator, kept as pictures with exact masks beside the real ones."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator import LABELS, still
from layerwatch.vision.evidence import KINDS
from layerwatch_train.samples import SOURCE_SIZE, Rendered

VISIBLE = 0.003
"""A failure that covers less of the picture than this is not seen: such a picture is not trained on."""


def render(out: Path, count: int, seed: int = 0, workers: int = 1) -> Rendered:
    """Render the stills of `count` seeds from `seed` on, once; half are healthy."""
    out.mkdir(parents=True, exist_ok=True)
    if (out / "truth.npz").is_file():
        kept = Rendered(out)
        if len(kept) > 0:
            return kept
    images, masks, kinds = [], [], []
    with multiprocessing.Pool(workers) as pool:
        for made in pool.imap(_still, range(seed, seed + count), chunksize=8):
            if made is not None:
                images.append(made[0])
                masks.append(made[1])
                kinds.append(made[2])
    np.save(out / "images.npy", np.stack(images))
    np.savez_compressed(out / "truth.npz", masks=np.stack(masks), kinds=np.stack(kinds))
    return Rendered(out)


def _still(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]] | None:
    frame = still(seed)
    failing = (frame.truth.mask > 0).astype(np.uint8) * np.uint8(255)
    failed = seed % 2 == 1
    if failed and failing.mean() / 255 < VISIBLE:
        return None
    if not failed and failing.any():
        return None
    side = (SOURCE_SIZE, SOURCE_SIZE)
    kinds = np.zeros(len(KINDS), np.float32)
    for value in np.unique(frame.truth.mask):
        if value:
            kinds[KINDS.index(LABELS[value - 1])] = 1.0
    small = cv2.resize(frame.rgb, side, interpolation=cv2.INTER_AREA)
    mask = ((cv2.resize(failing, side, interpolation=cv2.INTER_AREA) > 40) * 255).astype(np.uint8)
    return small, mask, kinds
