"""Samples and what the tower says of them, kept in a folder: the tower is slow and its heads are quick.

Several processes fill one folder side by side, each its share of the places, the most useful samples first
(`plan`), and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from layerwatch_train.index import Picture
from layerwatch_train.samples import GRID_STRIDE, Draw, Material, Sample, as_it_is, draw, make
from layerwatch_train.teacher.tower import WIDTH, Tower, read_weights

AUGMENTED_AFTER, ALL_PLAIN_BY, DRAWS_PER_TURN = 20, 120, 40
"""When what is made, in turns (the place of a picture in its scene)."""

BLANK_SHARE = 0.005
"""Of the places: pictures of nothing, which teach what is in view."""

_BLOCK = 4
"""Samples that a process takes at once."""

_DRAWN_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Shape:
    """What is kept: `size` pixels a side, the tokens of `width` numbers that the tower's `block` puts out,
    room for `count` samples."""

    size: int
    block: int
    count: int
    width: int = WIDTH

    def arrays(self) -> dict[str, tuple[tuple[int, ...], type]]:
        """Shape after the first axis, and type, of each array. `state` is 1 where a sample is there."""
        grid = self.size // GRID_STRIDE
        one: tuple[int, ...] = ()
        return {
            "tokens": ((1 + grid * grid, self.width), np.float16),
            "images": ((self.size, self.size, 3), np.uint8),
            "maps": ((grid, grid), np.float32),
            "kinds": ((8,), np.float32),
            "labels": (one, np.float32),
            "in_view": (one, np.float32),
            "plain": (one, np.uint8),
            "picture": (one, np.int64),
            "patch": (one, np.int64),
            "rendered": (one, np.int64),
            "state": (one, np.uint8),
        }


class Cache:
    """The arrays of `Shape` in a folder, mapped into memory; `cache["labels"]` is [count]. What `picture`,
    `patch` and `rendered` say is -1 where a sample has none; `plain` is 1 of a picture as it is."""

    def __init__(self, folder: Path, shape: Shape, write: bool = False):
        """Open what `folder` holds; `write` makes room there first."""
        self.shape = shape
        arrays = shape.arrays()
        if write and not (folder / "state.npy").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            for name, (rest, kind) in arrays.items():  # `state` last: it marks the room as made
                np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, (shape.count, *rest)).flush()
        mode = "r+" if write else "r"
        self._arrays = {name: np.load(folder / f"{name}.npy", mmap_mode=mode) for name in arrays}

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        return self._arrays[name]

    def there(self) -> NDArray[np.int64]:
        """Places that hold a sample."""
        return np.flatnonzero(self._arrays["state"])

    def missing(self) -> NDArray[np.int64]:
        """Places that hold none yet."""
        return np.flatnonzero(self._arrays["state"] == 0)


@dataclass(frozen=True, slots=True)
class Place:
    """What goes into a place of the cache: a picture as it is, or a draw."""

    draw: Draw
    plain: bool = False


def plan(pictures: Sequence[Picture], count: int, seed: int, rendered: NDArray[np.int64]) -> list[Place]:
    """What goes into `count` places; the same for the same arguments.

    Scenes come in evenly, so that a cache that is filled in part holds something of each: first some
    pictures of every webcam scene as they are, then the same as another camera may have seen them,
    close-ups and what the index leaves open, and among them more and more draws by `samples.MIX`. The last
    places are blanks, which are made first.
    """
    rng = np.random.default_rng(seed)
    rank: Counter[str] = Counter()
    waiting: list[tuple[float, int, Place]] = []

    def add(when: float, place: Place) -> None:
        waiting.append((when, len(waiting), place))

    for n in rng.permutation(len(pictures)).tolist():
        picture = pictures[n]
        turn = rank[picture.scene]
        rank[picture.scene] += 1
        if picture.view == "webcam" and picture.label != "other":
            add(turn, Place(Draw(n), plain=True))
            add(AUGMENTED_AFTER + turn, Place(Draw(n)))
        else:
            add(rng.uniform(AUGMENTED_AFTER, ALL_PLAIN_BY), Place(Draw(n), plain=True))
    usable, blanks = np.ones(len(pictures), bool), round(BLANK_SHARE * count)
    spare = max(0, count - blanks - len(waiting))
    for block in range(-(-spare // _DRAWN_AT_ONCE)):
        for n, one in enumerate(draw(pictures, usable, _DRAWN_AT_ONCE, rng, rendered)):
            if (drawn := block * _DRAWN_AT_ONCE + n) < spare:
                add(AUGMENTED_AFTER + drawn / DRAWS_PER_TURN, Place(one))
    return [place for _, _, place in sorted(waiting)[: count - blanks]] + [Place(Draw())] * blanks


def fill(
    folder: Path,
    shape: Shape,
    tower: Path,
    material: Callable[[], Material],
    workers: int,
    seed: int,
    log: Callable[[str], None],
) -> None:
    """Fill what is missing with `workers` processes of a thread each.

    tower: the graph whose weights are read. material: called in each process.
    """
    Cache(folder, shape, write=True)
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_work, args=(folder, shape, tower, material, (n, workers), seed))
        for n in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    failed = [process.exitcode for process in processes if process.exitcode]
    if failed:
        raise RuntimeError(
            f"{len(failed)} of {workers} processes that read pictures ended early: see above why"
        )
    log(f"{len(Cache(folder, shape).there())} samples with tokens")


def _work(
    folder: Path,
    shape: Shape,
    tower_file: Path,
    material: Callable[[], Material],
    mine: tuple[int, int],
    seed: int,
) -> None:
    """A process: fill every block of places whose number is mine[0] modulo mine[1]."""
    torch.set_num_threads(1)
    kept, cache = material(), Cache(folder, shape, write=True)
    tower = Tower(read_weights(tower_file), shape.size, shape.block)
    there = kept.rendered.positions() if kept.rendered is not None else np.zeros(0, np.int64)
    places = plan(kept.pictures, shape.count, seed, there)
    waiting = [n for n in cache.missing().tolist() if n // _BLOCK % mine[1] == mine[0]]
    waiting.sort(key=lambda n: places[n].draw != Draw())
    for start in range(0, len(waiting), _BLOCK):
        block = waiting[start : start + _BLOCK]
        made = [sample(places[n], kept, shape.size, np.random.default_rng([seed, 1, n])) for n in block]
        keep(cache, block, [places[n] for n in block], made, tower)


def sample(place: Place, material: Material, size: int, rng: np.random.Generator) -> Sample:
    return (
        as_it_is(place.draw.picture, material, size) if place.plain else make(place.draw, material, size, rng)
    )


def keep(
    cache: Cache, block: Sequence[int], places: Sequence[Place], made: Sequence[Sample], tower: Tower
) -> None:
    """Write samples, and what the tower says of them, into the places `block`."""
    for n, place, sample in zip(block, places, made, strict=True):
        one = place.draw
        image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))[None]
        with torch.inference_mode():
            cache["tokens"][n] = tower(image)[0].numpy()
        cache["images"][n] = sample.image
        cache["maps"][n], cache["kinds"][n], cache["labels"][n] = sample.map, sample.kinds, sample.label
        cache["plain"][n], cache["in_view"][n] = place.plain, one.picture >= 0 or one.rendered >= 0
        cache["picture"][n], cache["patch"][n], cache["rendered"][n] = one.picture, one.patch, one.rendered
        cache["state"][n] = 1  # last: it marks the sample as whole
