"""Rendered prints from the simulator, kept as pictures with exact masks beside the real ones."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwatch.simulator import LABELS, still
from layerwatch.simulator.truth import Frame
from layerwatch.vision.evidence import KINDS

SOURCE_SIZE = 384
"""Pixels a side at which pictures are kept, stretched to a square."""

VISIBLE = 0.003
"""A failure that covers less of the picture than this is not seen: such a picture is not trained on."""

_WAITING, _KEPT, _HIDDEN = 0, 1, 2


class Rendered:
    """Rendered prints in a folder: `images` [N, S, S, 3] uint8, `masks` [N, S, S] uint8, 255 where a
    failure is, `kinds` [N, 8] float32. Not all are rendered yet; `positions` says which are. Read while
    others write."""

    def __init__(self, folder: Path, count: int = 0):
        """Open what `folder` holds, or make room there for `count` pictures."""
        shapes = {
            "images": ((count, SOURCE_SIZE, SOURCE_SIZE, 3), np.uint8),
            "masks": ((count, SOURCE_SIZE, SOURCE_SIZE), np.uint8),
            "kinds": ((count, len(KINDS)), np.float32),
            "state": ((count,), np.uint8),
        }
        if count and not (folder / "state.npy").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            for name, (shape, kind) in shapes.items():  # `state` last: it marks the room as made
                np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape).flush()
        mode = "r+" if count else "r"
        self.images, self.masks, self.kinds, self.state = (
            np.load(folder / f"{name}.npy", mmap_mode=mode) for name in shapes
        )

    def __len__(self) -> int:
        return len(self.state)

    def positions(self) -> NDArray[np.int64]:
        """Which of the N are rendered and fit to learn from."""
        return np.flatnonzero(self.state == _KEPT)

    def missing(self) -> NDArray[np.int64]:
        """Which of the N are not rendered yet."""
        return np.flatnonzero(self.state == _WAITING)

    def keep(self, position: int, rgb: NDArray[np.uint8], labels: NDArray[np.uint8], failed: bool) -> None:
        """Take in a picture [H, W, 3] with labels [H, W] (0, or 1 and a place in LABELS) at `position`;
        what does not show what it should is marked as hidden."""
        side = (SOURCE_SIZE, SOURCE_SIZE)
        failing = (labels > 0).astype(np.uint8) * np.uint8(255)
        if failed != bool(failing.mean() / 255 >= VISIBLE) or (not failed and failing.any()):
            self.state[position] = _HIDDEN
            return
        self.images[position] = cv2.resize(rgb, side, interpolation=cv2.INTER_AREA)
        self.masks[position] = (cv2.resize(failing, side, interpolation=cv2.INTER_AREA) > 40) * 255
        kinds = np.zeros(len(KINDS), np.float32)
        for value in np.unique(labels):
            if value:
                kinds[KINDS.index(LABELS[value - 1])] = 1.0
        self.kinds[position] = kinds
        self.state[position] = _KEPT


def render(store: Rendered, count: int, seed: int = 0, workers: int = 1) -> None:
    """Render what is missing of the stills of `count` seeds from `seed` on, into the first `count` places;
    half are healthy. Can be stopped at any time and goes on where it was."""
    with multiprocessing.Pool(workers) as pool:
        jobs = [(int(n), seed + int(n)) for n in store.missing() if n < count]
        for position, frame in pool.imap_unordered(_still, jobs, chunksize=4):
            store.keep(position, frame.rgb, frame.truth.mask, bool((seed + position) % 2))


def _still(job: tuple[int, int]) -> tuple[int, Frame]:
    position, seed = job
    return position, still(seed)


def take_in(store: Rendered, first: int, folder: Path) -> None:
    """Import path-traced pictures (`layerwatch_train.path_traced`) from `folder`, ordered by seed.

    They fill the positions from `first` on. Pictures imported earlier are left as they are.
    """
    done = sorted(folder.glob("*.json"))
    for position, truth in zip(range(first, len(store)), done, strict=False):
        picture, mask = truth.with_suffix(".jpg"), truth.with_suffix(".png")
        if store.state[position] == _WAITING and picture.is_file():
            with Image.open(picture) as image, Image.open(mask) as labels:
                store.keep(
                    position, np.asarray(image.convert("RGB")), np.asarray(labels), int(truth.stem) % 2 == 1
                )
