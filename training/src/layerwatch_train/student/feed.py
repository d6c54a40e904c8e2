"""Batches for the student: kept samples, each seen anew, with labels and the teacher's answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerwatch_train.augment import look
from layerwatch_train.index import UNKNOWN, Picture
from layerwatch_train.samples import GRID_STRIDE
from layerwatch_train.student.lessons import Lessons
from layerwatch_train.student.recipe import Phase, Recipe
from layerwatch_train.student.stills import Still, Stills
from layerwatch_train.student.views import draw_turn, picture, turned
from layerwatch_train.teacher.cache import Cache

SHARES = {
    "webcam good": 0.28,
    "webcam failed": 0.24,
    "close-up failed": 0.09,
    "close-up good": 0.07,
    "other": 0.06,
    "pasted": 0.12,
    "blank": 0.015,
}
"""What is drawn besides rendered prints; webcam pictures evenly over the square root of a scene's size."""

OWN_BIAS = -1.0
"""Added to the first detector's logit of failure, which stands higher than the teacher's by as much: its
calibration takes 1.2 nats off."""

_LEAST = 0.02
"""Shares of a cell under this, which turning a map leaves at edges, count as none."""


class Batch(NamedTuple):
    """images: [B, S, S, 3] uint8; maps: [B, G, G]; labels: [B]; kinds: [B, 8]; in_view: [B], as in the cache.
    failure: [B] and where: [B, G, G], logits to learn; units: [B, units, G, G] and whole: [B, units].
    taught: [B] bool, False where the teacher has said nothing and those four are 0."""

    images: Tensor
    maps: Tensor
    labels: Tensor
    kinds: Tensor
    in_view: Tensor
    failure: Tensor
    where: Tensor
    units: Tensor
    whole: Tensor
    taught: Tensor


def chances(
    pictures: Sequence[Picture], cache: Cache, places: NDArray[np.int64], rendered: float
) -> NDArray[np.float64]:
    """[len(places)] how likely each sample is drawn, by SHARES and a share of rendered prints."""
    names = ("picture", "patch", "rendered", "labels")
    rows = zip(*(cache[name][places].tolist() for name in names), strict=True)
    keys = [_key(pictures, *row) for row in rows]
    size = Counter(keys)
    weight = np.array([size[key] ** -0.5 for key in keys])
    kinds = np.array([kind for kind, _ in keys])
    for kind, share in {**SHARES, "rendered": rendered}.items():
        if (kinds == kind).any():
            weight[kinds == kind] *= share / weight[kinds == kind].sum()
    return np.asarray(weight / weight.sum(), np.float64)


def _key(
    pictures: Sequence[Picture], number: int, patch: int, rendered: int, label: float
) -> tuple[str, str]:
    if rendered >= 0:
        return "rendered", ""
    if number < 0:
        return "blank", ""
    if patch >= 0:
        return "pasted", ""
    one = pictures[number]
    if one.label == "other":
        return "other", ""
    if one.view == "webcam":
        return ("webcam failed" if label > 0 else "webcam good"), one.scene
    return ("close-up failed" if label > 0 else "close-up good"), ""


class Feed:
    """Draws batches from the samples at `places`, with the answers of the teacher's head number `head`, and
    from rendered stills, if there are some."""

    def __init__(
        self,
        recipe: Recipe,
        phase: Phase,
        lessons: Lessons,
        head: int,
        pictures: Sequence[Picture],
        places: NDArray[np.int64],
        stills: Stills | None,
    ):
        self.recipe, self.phase, self.lessons, self.head, self.places = recipe, phase, lessons, head, places
        self.stills = stills
        self.share = chances(pictures, lessons.cache, places, phase.kept_rendered)

    def batch(self, step: int) -> Batch:
        """The batch of a step; the same for the same step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        size = self.recipe.batch
        rendered = round(self.phase.stills * size) if self.stills else 0
        drawn = np.sort(rng.choice(self.places, size - rendered, p=self.share))
        rows = [self._one(int(place), rng) for place in drawn]
        if self.stills:
            rows += [self._still(self.stills.draw(rng), rows[0], rng) for _ in range(rendered)]
        return Batch(*(torch.stack(parts) for parts in zip(*rows, strict=True)))

    def _one(self, place: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        recipe, lessons, cache = self.recipe, self.lessons, self.lessons.cache
        side, head = recipe.size // GRID_STRIDE, self.head
        truth = np.array(cache["maps"][place], np.float32)
        turn = draw_turn(truth, rng, self.phase.small)
        image = self._seen(np.array(cache["images"][place], np.uint8), turn, rng)
        own = recipe.own_rendered if cache["rendered"][place] >= 0 else recipe.own
        maps = _maps(truth, turn, side) if truth[0, 0] >= 0 else torch.full((side, side), UNKNOWN)
        teacher, first = lessons["map"][place, head][None], lessons["own_map"][place][None]
        where = (1 - own) * turned(teacher, turn, side)[0] + own * turned(first, turn, side)[0]
        failure = (1 - own) * lessons["failure"][place, head] + own * (lessons["own"][place] + OWN_BIAS)
        units = np.array(lessons["units"][place, head], np.float32)
        grid = round((len(units) - 1) ** 0.5)
        cells = units[1:].T.reshape(-1, grid, grid)
        return (
            image,
            maps,
            torch.tensor(float(cache["labels"][place])),
            torch.from_numpy(np.array(cache["kinds"][place])),
            torch.tensor(float(cache["in_view"][place])),
            torch.tensor(float(failure)),
            where,
            turned(cells, turn, side),
            torch.from_numpy(units[0]),
            torch.tensor(True),
        )

    def _still(self, still: Still, like: tuple[Tensor, ...], rng: np.random.Generator) -> tuple[Tensor, ...]:
        """A rendered still as a row; `like` is a row with the teacher's answers."""
        turn = draw_turn(still.truth, rng, self.phase.small)
        image = self._seen(still.image, turn, rng)
        maps = _maps(still.truth, turn, self.recipe.size // GRID_STRIDE)
        labels = (torch.tensor(float(still.failed)), torch.from_numpy(still.kinds), torch.tensor(1.0))
        return (image, maps, *labels, *(torch.zeros_like(part) for part in like[5:]))

    def _seen(self, image: NDArray[np.uint8], turn: NDArray[np.float64], rng: np.random.Generator) -> Tensor:
        seen = picture(image, turn, self.recipe.size)
        return torch.from_numpy(look(seen, rng) if rng.random() < self.recipe.look else seen)


def _maps(truth: NDArray[np.float32], turn: NDArray[np.float64], side: int) -> Tensor:
    maps = turned(truth[None], turn, side)[0]
    return torch.where(maps < _LEAST, 0.0, maps)
