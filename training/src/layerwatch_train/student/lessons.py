"""What the teacher, and the detector that the student goes on from, say of every kept sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from layerwatch_train.model import Detector
from layerwatch_train.samples import GRID_STRIDE
from layerwatch_train.teacher.cache import Cache
from layerwatch_train.teacher.head import Heads

_AT_ONCE = 16


class Lessons:
    """Arrays in a folder, mapped into memory, a row for each place of the cache; `lessons["map"]`, say.

    failure: [count, heads]; map: [count, heads, G, G]; units: [count, heads, 1 + G², units], what the first
    stack's hidden layer is given; own, own_map: of the first detector. All but `units` are logits. `done` is
    1 where a row is there.
    """

    def __init__(self, folder: Path, cache: Cache, heads: int, units: int, size: int):
        """Open what `folder` holds, or make room there. size: pixels a side of the detector's pictures."""
        count, grid, own = cache.shape.count, cache.shape.size // GRID_STRIDE, size // GRID_STRIDE
        shapes: dict[str, tuple[tuple[int, ...], type]] = {
            "failure": ((count, heads), np.float32),
            "map": ((count, heads, grid, grid), np.float32),
            "units": ((count, heads, 1 + grid * grid, units), np.float16),
            "own": ((count,), np.float32),
            "own_map": ((count, own, own), np.float32),
            "done": ((count,), np.uint8),
        }
        if not (folder / "done.npy").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            for name, (shape, kind) in shapes.items():  # `done` last: it marks the room as made
                np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape).flush()
        self._arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in shapes}
        self.cache, self.size = cache, size

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        return self._arrays[name]

    def there(self) -> NDArray[np.int64]:
        """Places with a row."""
        return np.flatnonzero(self._arrays["done"])

    def prepare(self, stacks: Sequence[Heads], first: Detector, log: Callable[[str], None]) -> None:
        """Fill in the rows that are missing of samples that are there."""
        todo = np.setdiff1d(self.cache.there(), self.there())
        first.eval()
        for start in range(0, len(todo), _AT_ONCE):
            part = todo[start : start + _AT_ONCE]
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                self._ask(part, stacks, first)
            self._arrays["done"][part] = 1
        log(f"{len(self.there())} samples with the teacher's answers")

    def _ask(self, part: NDArray[np.int64], stacks: Sequence[Heads], first: Detector) -> None:
        tokens = torch.from_numpy(self.cache["tokens"][part]).float()
        said = [stack(tokens) for stack in stacks]
        arrays, teacher = self._arrays, stacks[0]
        arrays["failure"][part] = torch.stack([out.failure.float() for out in said]).mean(0).numpy()
        arrays["map"][part] = torch.stack([out.map.float() for out in said]).mean(0).numpy()
        normal = F.layer_norm(tokens, tokens.shape[2:])
        units = F.linear(normal, teacher.project, teacher.shift).float().unflatten(2, (teacher.count, -1))
        arrays["units"][part] = units.transpose(1, 2).half().numpy()
        images = torch.from_numpy(self.cache["images"][part]).permute(0, 3, 1, 2).float()
        side = (self.size, self.size)
        own = first(F.interpolate(images, side, mode="bilinear", antialias=True))
        arrays["own"][part], arrays["own_map"][part] = own.failure.float(), own.map.float()
