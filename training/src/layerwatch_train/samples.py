"""Training samples: drawn evenly over scenes, augmented, and run once through the frozen part of the
network.

The first stages of the trunk (to stride 8) see the most pixels and cost two thirds of a training step,
but learn least: they stay as ImageNet left them. So each augmented picture passes them once, is kept as
float16 features, and every fold and recipe trains on those. What this buys in time and costs in accuracy
is in the model card.
"""

from __future__ import annotations

import io
import multiprocessing
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import nn

from layerwatch_train import augment, paste
from layerwatch_train.index import UNKNOWN, Picture, kinds_target, paint_boxes, read_index
from layerwatch_train.model import GRID_STRIDE, VARIANTS, Detector

SOURCE_SIZE = 384
"""Pixels a side at which decoded pictures are kept, stretched to a square."""

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

_BATCH = 16


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
        for number, image in enumerate(pool.imap(_decode, [folder / p.file for p in pictures], chunksize=16)):
            store[number] = image
    store.flush()
    out.with_suffix(".part").rename(out)
    return np.load(out, mmap_mode="r")


def _decode(path: Path) -> NDArray[np.uint8]:
    with PillowImage.open(path) as image:
        image.draft("RGB", (SOURCE_SIZE, SOURCE_SIZE))
        small = image.convert("RGB").resize(
            (SOURCE_SIZE, SOURCE_SIZE), PillowImage.Resampling.BILINEAR, reducing_gap=2.0
        )
    return np.asarray(small)


def draw(
    pictures: Sequence[Picture], usable: NDArray[np.bool_], count: int, rng: Generator, rendered: int = 0
) -> list[Draw]:
    """Draw `count` samples by MIX; within a class evenly by the square root of a scene's size.

    usable: [len(pictures)] which pictures may be drawn. rendered: how many rendered pictures there are.
    """
    pools: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, picture in enumerate(pictures):
        if usable[number] and picture.label in ("good", "failed"):
            view = "webcam" if picture.view == "webcam" else "closeup"
            pools[f"{view}_{picture.label}"][picture.scene].append(number)
    names = [n for n in MIX if n in ("blank", "pasted") or n in pools or (n == "rendered" and rendered)]
    share = np.array([MIX[n] for n in names])
    counts = rng.multinomial(count, share / share.sum())
    draws: list[Draw] = []
    for name, wanted in zip(names, counts, strict=True):
        if name == "blank":
            draws += [Draw()] * int(wanted)
        elif name == "rendered":
            draws += [Draw(rendered=int(n)) for n in rng.integers(0, rendered, int(wanted))]
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


class Rendered:
    """Rendered prints: images [N, S, S, 3] uint8; masks [N, S, S] uint8, 255 where a failure is; kinds [N,
    8]."""

    def __init__(self, folder: Path):
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        with np.load(folder / "truth.npz") as kept:
            self.masks, self.kinds = kept["masks"], kept["kinds"]

    def __len__(self) -> int:
        return len(self.kinds)


@dataclass(frozen=True, slots=True)
class Material:
    """What samples are made of: the index, its pictures, and rendered prints if there are any."""

    pictures: list[Picture]
    images: NDArray[np.uint8]
    rendered: Rendered | None

    @staticmethod
    def load(data: Path, images: Path, rendered: Path | None) -> Material:
        return Material(
            read_index(data),
            np.load(images, mmap_mode="r"),
            Rendered(rendered) if rendered is not None else None,
        )


def make(
    draw_: Draw, material: Material, size: int, rng: Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32], int]:
    """Make one sample: picture [size, size, 3], map target [G, G], and label 0 good, 1 failed.

    A map target holds the share of each cell that a failure covers, or UNKNOWN all over where no box tells.
    """
    grid, view = size // GRID_STRIDE, "webcam"
    if draw_.rendered >= 0 and material.rendered is not None:
        image, mask = material.rendered.images[draw_.rendered], material.rendered.masks[draw_.rendered]
        failed, known = bool(mask.any()), True
    elif draw_.picture < 0:
        return augment.look(_blank(size, rng), rng), np.zeros((grid, grid), np.float32), 0
    else:
        picture = material.pictures[draw_.picture]
        image, failed = material.images[draw_.picture], picture.label == "failed"
        view = picture.view if picture.view in ZOOM else "other"
        if draw_.patch >= 0:
            patch, failed = material.pictures[draw_.patch], draw_.failure
            boxes = patch.failures if failed else ()
            image, mask = paste.compose(image, material.images[draw_.patch], boxes, rng)
            mask = mask if failed else np.zeros_like(mask)
        else:
            mask = paint_boxes(picture.failures, SOURCE_SIZE)
        known = not failed or bool(mask.any())
    image, mask = augment.place(image, mask, size, rng, ZOOM[view])
    image = augment.look(image, rng)
    if not known:
        return image, np.full((grid, grid), UNKNOWN, np.float32), 1
    target = cv2.resize(mask, (grid, grid), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return image, target, int(failed and bool((target > 0.15).any()))


def _blank(size: int, rng: Generator) -> NDArray[np.uint8]:
    """Nothing to see: darkness, a covered lens, glare, a plain wall."""
    cells = int(rng.integers(1, 5))
    field = rng.normal(rng.choice([4, 30, 128, 200, 250]), rng.uniform(0, 25), (cells, cells, 3))
    if rng.random() < 0.7:
        field = np.repeat(field.mean(2, keepdims=True), 3, axis=2)
    smooth = cv2.resize(field.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth, 0, 255).astype(np.uint8)


class Samples:
    """Samples on disk: `features` [N, S/8, S/8, C] float16, `maps` [N, G, G], `labels`, `kinds`,
    `in_view`, and of what each was made: `picture`, `patch`, `rendered`, -1 for none."""

    def __init__(self, folder: Path):
        self.features = np.load(folder / "features.npy", mmap_mode="r")
        with np.load(folder / "targets.npz") as kept:
            self.maps, self.labels, self.kinds = kept["maps"], kept["labels"], kept["kinds"]
            self.in_view, self.picture, self.patch = kept["in_view"], kept["picture"], kept["patch"]
            self.rendered = kept["rendered"]

    def __len__(self) -> int:
        return len(self.labels)


_shared: dict[str, object] = {}


def _start(variant: str, size: int, material: Callable[[], Material]) -> None:
    torch.set_num_threads(1)
    model = Detector(variant).eval()
    model.trunk.load_imagenet(VARIANTS[variant])
    _shared.update(lower=Lower(model), material=material(), size=size)


def _chunk(
    job: tuple[int, list[Draw], int],
) -> tuple[int, NDArray[np.float16], NDArray[np.float32], list[int]]:
    start, draws, seed = job
    rng = np.random.default_rng([seed, start])
    size = _shared["size"]
    made = [make(d, _shared["material"], size, rng) for d in draws]  # type: ignore[arg-type]
    features = _shared["lower"](np.stack([m[0] for m in made]))  # type: ignore[arg-type]
    return start, features, np.stack([m[1] for m in made]), [m[2] for m in made]


class Lower:
    """The frozen part of the network, run by ONNX Runtime (twice as fast as PyTorch on a CPU) on one
    thread."""

    def __init__(self, model: Detector):
        file = io.BytesIO()
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            picture = torch.zeros((1, 3, 64, 64))
            axes = {"picture": {0: "n", 2: "h", 3: "w"}}
            lower = nn.Sequential(model.trunk.stem, model.trunk.lower).eval()
            torch.onnx.export(
                lower, (picture,), file, input_names=["picture"], dynamic_axes=axes, dynamo=False
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(file.getvalue(), options)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        """[N, S, S, 3] pictures → [N, S/8, S/8, C] features."""
        features = []
        for image in images:  # one by one: a batch would not stay in the processor's cache
            scaled = (image.transpose(2, 0, 1)[None].astype(np.float32) - 127.0) / 128.0
            features.append(
                self.session.run(None, {"picture": scaled})[0][0].transpose(1, 2, 0).astype(np.float16)
            )
        return np.stack(features)


def build(
    out: Path,
    material: Callable[[], Material],
    draws: list[Draw],
    variant: str,
    size: int,
    seed: int,
    workers: int = 2,
    tick: Callable[[int], None] = lambda made: None,
) -> Samples:
    """Make all `draws` and keep them in the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    kept = material()
    grid, channels = size // GRID_STRIDE, Detector(variant).trunk.channels[0]
    store = np.lib.format.open_memmap(
        out / "features.npy", "w+", np.float16, (len(draws), size // 8, size // 8, channels)
    )
    maps = np.zeros((len(draws), grid, grid), np.float16)
    labels = np.zeros(len(draws), np.int8)
    jobs = [(start, draws[start : start + _BATCH], seed) for start in range(0, len(draws), _BATCH)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _start, (variant, size, material)) as pool:
        for start, features, cells, label in pool.imap_unordered(_chunk, jobs):
            end = start + len(label)
            store[start:end], maps[start:end], labels[start:end] = features, cells, label
            tick(end - start)
    kinds = np.zeros((len(draws), 8), np.float32)
    for number, d in enumerate(draws):
        if labels[number] and d.rendered >= 0 and kept.rendered is not None:
            kinds[number] = kept.rendered.kinds[d.rendered]
        elif labels[number]:
            kinds[number] = kinds_target(kept.pictures[d.patch if d.patch >= 0 else d.picture])
    np.savez(
        out / "targets.npz",
        maps=maps,
        labels=labels,
        kinds=kinds,
        in_view=np.array([d.picture >= 0 or d.rendered >= 0 for d in draws]),
        picture=np.array([d.picture for d in draws]),
        patch=np.array([d.patch for d in draws]),
        rendered=np.array([d.rendered for d in draws]),
    )
    store.flush()
    return Samples(out)
