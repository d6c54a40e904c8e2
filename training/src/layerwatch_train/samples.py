"""Training samples: drawn evenly over scenes, composed and augmented. No two are alike; `bank` makes them
without end."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image as PillowImage

from layerwatch.vision.evidence import KINDS
from layerwatch_train import augment, paste
from layerwatch_train.index import UNKNOWN, Picture, kinds_target, paint_boxes, read_index
from layerwatch_train.rendered import SOURCE_SIZE, Rendered

GRID_STRIDE = 16
"""Pixels of the input a side of one map cell."""

MIX = {
    "webcam_good": 0.25,
    "webcam_failed": 0.23,
    "pasted": 0.17,
    "closeup_failed": 0.10,
    "closeup_good": 0.10,
    "rendered": 0.39,
    "blank": 0.015,
}
"""Shares of what is drawn (scaled to sum to one). Close-ups are few and even in number, so that their style
tells no label."""

ZOOM = {"webcam": (0.85, 1.5), "closeup": (0.45, 1.25), "other": (0.7, 1.3)}
"""Magnification by view: a close-up is shown small, as a webcam would see it, more often than large."""

CONTROL_SHARE = 0.3
"""Of the composites, how many paste a healthy patch."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One sample to make: which pictures it comes from (-1: none), and how."""

    picture: int = -1
    patch: int = -1
    failure: bool = False
    rendered: int = -1


def decode_all(folder: Path, out: Path, workers: int = 2) -> NDArray[np.uint8]:
    """Decode every picture of the index to [N, SOURCE_SIZE, SOURCE_SIZE, 3] uint8 in the file `out`, once."""
    pictures = read_index(folder)
    shape = (len(pictures), SOURCE_SIZE, SOURCE_SIZE, 3)
    if out.is_file():
        kept = np.load(out, mmap_mode="r")
        if kept.shape == shape:
            return kept
    store = np.lib.format.open_memmap(out.with_suffix(".part"), "w+", np.uint8, shape)
    with multiprocessing.Pool(workers) as pool:
        for number, image in enumerate(pool.imap(decode, [folder / p.file for p in pictures], chunksize=16)):
            store[number] = image
    store.flush()
    out.with_suffix(".part").rename(out)
    return np.load(out, mmap_mode="r")


def decode(path: Path) -> NDArray[np.uint8]:
    """A picture file as RGB [SOURCE_SIZE, SOURCE_SIZE, 3]."""
    with PillowImage.open(path) as image:
        image.draft("RGB", (SOURCE_SIZE, SOURCE_SIZE))
        small = image.convert("RGB").resize(
            (SOURCE_SIZE, SOURCE_SIZE), PillowImage.Resampling.BILINEAR, reducing_gap=2.0
        )
    return np.asarray(small)


def draw(
    pictures: Sequence[Picture],
    usable: NDArray[np.bool_],
    count: int,
    rng: Generator,
    rendered: NDArray[np.int64],
) -> list[Draw]:
    """Draw `count` samples by MIX; within a class evenly by the square root of a scene's size.

    usable: [len(pictures)] which pictures may be drawn. rendered: positions of the rendered pictures there
    are.
    """
    pools: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, picture in enumerate(pictures):
        if usable[number] and picture.label in ("good", "failed"):
            view = "webcam" if picture.view == "webcam" else "closeup"
            pools[f"{view}_{picture.label}"][picture.scene].append(number)
    names = [n for n in MIX if n in ("blank", "pasted") or n in pools or (n == "rendered" and len(rendered))]
    share = np.array([MIX[n] for n in names])
    counts = rng.multinomial(count, share / share.sum())
    draws: list[Draw] = []
    for name, wanted in zip(names, counts, strict=True):
        if name == "blank":
            draws += [Draw()] * int(wanted)
        elif name == "rendered":
            draws += [Draw(rendered=int(n)) for n in rng.choice(rendered, int(wanted))]
        elif name == "pasted":
            keep = [p if u else None for p, u in zip(pictures, usable, strict=True)]
            numbers = [n for n, p in enumerate(keep) if p is not None]
            recipes = paste.plan([pictures[n] for n in numbers], int(wanted), CONTROL_SHARE, rng)
            draws += [Draw(numbers[r.scene], numbers[r.patch], r.failure) for r in recipes]
        else:
            scenes = pools[name]
            weight = np.array([len(v) ** 0.5 for v in scenes.values()])
            members = list(scenes.values())
            for pick in rng.choice(len(members), int(wanted), p=weight / weight.sum()):
                draws.append(Draw(int(rng.choice(members[pick]))))
    rng.shuffle(draws)  # type: ignore[arg-type]
    return draws


@dataclass(frozen=True, slots=True)
class Material:
    """What samples are made of: the index, its pictures, which of them may be used, and rendered prints."""

    pictures: list[Picture]
    images: NDArray[np.uint8]
    usable: NDArray[np.bool_]
    rendered: Rendered | None

    @staticmethod
    def load(data: Path, images: Path, dropped: frozenset[str], rendered: Path | None) -> Material:
        """dropped: files of the index to leave out. rendered: a folder as `rendered.render` fills it."""
        pictures = read_index(data)
        return Material(
            pictures,
            np.load(images, mmap_mode="r"),
            np.array([p.file not in dropped for p in pictures]),
            Rendered(rendered) if rendered is not None else None,
        )


class Sample(NamedTuple):
    """image: [S, S, 3] uint8; map: [G, G] share of each cell that a failure covers, or UNKNOWN all over where
    no box tells; label: 0 good, 1 failed, -1 not known; kinds: [8] 0, 1 or UNKNOWN."""

    image: NDArray[np.uint8]
    map: NDArray[np.float32]
    label: int
    kinds: NDArray[np.float32]


def make(draw_: Draw, material: Material, size: int, rng: Generator) -> Sample:
    """Make one sample of `size` pixels a side."""
    grid = size // GRID_STRIDE
    healthy = np.zeros(len(KINDS), np.float32)
    if draw_.picture < 0 and draw_.rendered < 0:
        blank = augment.look(_blank(size, rng), rng)
        return Sample(blank, np.zeros((grid, grid), np.float32), 0, healthy)
    image, mask, failed, kinds, view = _material_of(draw_, material, rng)
    known = not failed or bool(mask.any())
    image, mask = augment.place(image, mask, size, rng, ZOOM[view])
    image = augment.look(image, rng)
    if not known:
        return Sample(image, np.full((grid, grid), UNKNOWN, np.float32), 1, kinds)
    target = cv2.resize(mask, (grid, grid), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    label = int(failed and bool((target > 0.15).any()))
    return Sample(image, target, label, kinds if label else healthy)


def as_it_is(number: int, material: Material, size: int) -> Sample:
    """The index's picture `number` at `size` pixels a side, nothing done to it. The label is -1 where the
    index says `other`; the map is UNKNOWN where it does not say where."""
    picture, grid = material.pictures[number], size // GRID_STRIDE
    image = cv2.resize(material.images[number], (size, size), interpolation=cv2.INTER_AREA)
    kinds = kinds_target(picture)
    if picture.label == "good":
        return Sample(image, np.zeros((grid, grid), np.float32), 0, kinds)
    mask = paint_boxes(picture.failures, SOURCE_SIZE)
    label = 1 if picture.label == "failed" else -1
    if not mask.any():
        return Sample(image, np.full((grid, grid), UNKNOWN, np.float32), label, kinds)
    target = cv2.resize(mask, (grid, grid), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return Sample(image, target, label, kinds)


def _material_of(
    draw_: Draw, material: Material, rng: Generator
) -> tuple[augment.Image, augment.Image, bool, NDArray[np.float32], str]:
    """A draw's picture, its mask, whether it failed, its kinds, and its view by ZOOM."""
    if draw_.rendered >= 0 and material.rendered is not None:
        mask = material.rendered.masks[draw_.rendered]
        image, kinds = material.rendered.images[draw_.rendered], material.rendered.kinds[draw_.rendered]
        return image, mask, bool(mask.any()), kinds, "webcam"
    picture = material.pictures[draw_.picture]
    image, failed = material.images[draw_.picture], picture.label == "failed"
    view = picture.view if picture.view in ZOOM else "other"
    if draw_.patch < 0:
        return image, paint_boxes(picture.failures, SOURCE_SIZE), failed, kinds_target(picture), view
    patch, failed = material.pictures[draw_.patch], draw_.failure
    boxes = patch.failures if failed else ()
    image, mask = paste.compose(image, material.images[draw_.patch], boxes, rng)
    return image, mask if failed else np.zeros_like(mask), failed, kinds_target(patch), view


def _blank(size: int, rng: Generator) -> NDArray[np.uint8]:
    """Nothing to see: darkness, a covered lens, glare, a plain wall."""
    cells = int(rng.integers(1, 5))
    field = rng.normal(rng.choice([4, 30, 128, 200, 250]), rng.uniform(0, 25), (cells, cells, 3))
    if rng.random() < 0.7:
        field = np.repeat(field.mean(2, keepdims=True), 3, axis=2)
    smooth = cv2.resize(field.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth, 0, 255).astype(np.uint8)
