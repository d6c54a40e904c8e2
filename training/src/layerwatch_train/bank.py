"""Samples without end: worker processes make them, a bank keeps the newest, every training draws from it.

Making a sample (warping, pasting, a camera's accidents, JPEG) takes a processor longer than a GPU takes to
learn from it. So all trainings of a run learn from one stream, each leaving out what it must not see.
"""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable
from multiprocessing.queues import Queue
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerwatch_train.samples import GRID_STRIDE, Material, draw, make

BLOCK = 16
"""Samples that a worker hands over at once."""

_WAITING_BLOCKS = 64
_DRAWN_AT_ONCE = 256
_LOOK_AFTER = 2.0
"""Seconds without a sample after which it is asked whether the workers live."""


class Truth(NamedTuple):
    """What is known of N samples. maps: [N, G, G]; labels, in_view: [N]; kinds: [N, 8]; picture, patch,
    rendered: [N] of which it was made, -1 for none."""

    maps: NDArray[np.float32]
    labels: NDArray[np.float32]
    kinds: NDArray[np.float32]
    in_view: NDArray[np.float32]
    picture: NDArray[np.int64]
    patch: NDArray[np.int64]
    rendered: NDArray[np.int64]

    @staticmethod
    def empty(count: int, grid: int) -> Truth:
        """Room for `count` samples with maps of `grid` cells a side."""
        one, made_of = np.zeros(count, np.float32), np.full(count, -1)
        maps, kinds = np.zeros((count, grid, grid), np.float32), np.zeros((count, 8), np.float32)
        return Truth(maps, one.copy(), kinds, one.copy(), made_of.copy(), made_of.copy(), made_of.copy())


class Bank:
    """The newest `capacity` samples: `images` [capacity, 3, S, S] uint8 on `device`, and their `truth`.

    Use it as a context: leaving it ends the workers. Call `drain` now and then to take in what they made.
    """

    def __init__(
        self,
        folder: Path,
        material: Callable[[], Material],
        size: int,
        capacity: int,
        device: torch.device,
        workers: int,
        seed: int,
    ):
        """folder: for a file that the workers write and this process reads. material: called in each
        worker."""
        self.capacity, self.filled, self.made = capacity, 0, 0
        self.images = torch.empty((capacity, size, size, 3), dtype=torch.uint8, device=device)
        self.truth = Truth.empty(capacity, size // GRID_STRIDE)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "stream.npy"
        shape = (_WAITING_BLOCKS, BLOCK, size, size, 3)
        self._stream = np.lib.format.open_memmap(self._path, "w+", np.uint8, shape)
        context = multiprocessing.get_context("spawn")
        self._free: Queue[int | None] = context.Queue()
        self._ready: Queue[tuple[int, Truth]] = context.Queue()
        for number in range(_WAITING_BLOCKS):
            self._free.put(number)
        self._workers = [
            context.Process(
                target=_work,
                args=(self._path, material, size, (seed, number), self._free, self._ready),
                daemon=True,
            )
            for number in range(workers)
        ]

    def __enter__(self) -> Bank:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join()
        self._path.unlink(missing_ok=True)

    def wait_for(self, count: int) -> None:
        """Take in samples until `count` (at most the capacity) are there. Raises RuntimeError if none will
        come."""
        while self.filled < min(count, self.capacity):
            try:
                self._take(*self._ready.get(timeout=_LOOK_AFTER))
            except queue.Empty:
                if not any(worker.is_alive() for worker in self._workers):
                    raise RuntimeError("every process that makes samples has died: see above why") from None

    def drain(self, samples: int) -> None:
        """Take in what is ready, without waiting; once the bank is full about `samples` at most, so that
        workers rest where learning is the slower part."""
        full = self.filled == self.capacity
        for _ in range(-(-samples // BLOCK) if full else _WAITING_BLOCKS):
            try:
                self._take(*self._ready.get_nowait())
            except queue.Empty:
                return

    def _take(self, block: int, truth: Truth) -> None:
        start = self.made % self.capacity
        where = slice(start, start + BLOCK)  # the capacity is a multiple of BLOCK
        self.images[where].copy_(on(self._stream[block], self.images.device))
        for mine, new in zip(self.truth, truth, strict=True):
            mine[where] = new
        self._free.put(block)
        self.made += BLOCK
        self.filled = min(self.made, self.capacity)


def on(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """`array` as a tensor on `device`, without waiting for what the device is doing."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def capacity_of(device: torch.device, size: int, at_least: int) -> int:
    """How many samples a bank may hold: a third of a GPU's free memory, at most 150,000; elsewhere
    `at_least`."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        at_least = max(at_least, min(150_000, int(free / 3 / (size * size * 3))))
    return max(BLOCK, at_least // BLOCK * BLOCK)


def pictures(images: Tensor) -> Tensor:
    """[B, S, S, 3] uint8 → [B, 3, S, S] float32 in 0..255, channels last."""
    return images.permute(0, 3, 1, 2).float()


def _work(
    path: Path,
    material: Callable[[], Material],
    size: int,
    seed: tuple[int, int],
    free: Queue[int | None],
    ready: Queue[tuple[int, Truth]],
) -> None:
    """A worker process: draw, make and hand over for ever."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    kept, stream, rng = material(), np.load(path, mmap_mode="r+"), np.random.default_rng(seed)
    nothing = np.zeros(0, np.int64)
    while True:
        there = kept.rendered.positions() if kept.rendered is not None else nothing
        draws = draw(kept.pictures, kept.usable, _DRAWN_AT_ONCE, rng, there)
        for start in range(0, len(draws) - BLOCK + 1, BLOCK):
            block = free.get()
            truth = Truth.empty(BLOCK, size // GRID_STRIDE)
            for n, one in enumerate(draws[start : start + BLOCK]):
                sample = make(one, kept, size, rng)
                stream[block, n] = sample.image
                truth.maps[n], truth.labels[n], truth.kinds[n] = sample.map, sample.label, sample.kinds
                truth.in_view[n] = one.picture >= 0 or one.rendered >= 0
                truth.picture[n], truth.patch[n], truth.rendered[n] = one.picture, one.patch, one.rendered
            ready.put((block, truth))
