"""Real failures cut out and pasted onto real healthy scenes, with an exact mask.

A box says only roughly where a failure is, so its outline is found by GrabCut inside the box, and the
patch is set in by one of three means (soft cut-out, soft ellipse, gradient mixing: Perez et al. 2003).
Patches of healthy pictures are pasted by the same means as controls: the seam itself must not tell a
failure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from layerwatch_train.index import LabelledBox, Picture

Image = NDArray[np.uint8]

PASTED_TYPES = ("spaghetti", "detached", "detachment", "detached_blob", "stringing")
"""Failure types whose boxed patch is a failure also on another print."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One composite: positions in the list of pictures, and whether the patch is a failure or a control."""

    scene: int
    patch: int
    failure: bool


def plan(pictures: Sequence[Picture], count: int, control: float, rng: Generator) -> list[Recipe]:
    """Draw `count` recipes: healthy webcam scenes evenly by scene, patches evenly by scene, a share of
    controls."""
    scenes: dict[str, list[int]] = defaultdict(list)
    failures: dict[str, list[int]] = defaultdict(list)
    healthy: dict[str, list[int]] = defaultdict(list)
    for number, picture in enumerate(pictures):
        if picture.label == "good" and picture.view == "webcam":
            scenes[picture.scene].append(number)
        if picture.label == "good":
            healthy[picture.scene].append(number)
        if picture.failure_type in PASTED_TYPES and any(_fits(b) for b in picture.failures):
            failures[picture.scene].append(number)
    if not scenes or not failures:
        return []

    def weights(of: dict[str, list[int]]) -> tuple[list[str], NDArray[np.float64]]:
        names = sorted(of)
        w = np.array([len(of[n]) ** 0.5 for n in names])
        return names, w / w.sum()

    drawn = []
    tables = {True: (failures, *weights(failures)), False: (healthy, *weights(healthy))}
    scene_names, scene_weights = weights(scenes)
    for _ in range(count):
        failure = bool(rng.random() >= control)
        of, names, w = tables[failure]
        patch = int(rng.choice(of[names[rng.choice(len(names), p=w)]]))
        scene = int(rng.choice(scenes[scene_names[rng.choice(len(scene_names), p=scene_weights)]]))
        drawn.append(Recipe(scene, patch, failure))
    return drawn


def _fits(box: LabelledBox) -> bool:
    return min(box.width, box.height) > 0.05 and max(box.width, box.height) < 0.9


def compose(scene: Image, patch: Image, boxes: Sequence[LabelledBox], rng: Generator) -> tuple[Image, Image]:
    """Paste one of `boxes` of `patch` (or, without boxes, a random part of it) onto `scene`.

    Returns the composite and a mask, 255 where the patch shows. Both pictures are square and of the same
    size.
    """
    size = scene.shape[0]
    usable = [b for b in boxes if _fits(b)]
    if usable:
        box = usable[rng.integers(len(usable))]
    else:
        w, h = rng.uniform(0.2, 0.6, 2)
        box = LabelledBox("", rng.uniform(w / 2, 1 - w / 2), rng.uniform(h / 2, 1 - h / 2), w, h)
    left, top = max(0, int((box.x - box.width / 2) * size)), max(0, int((box.y - box.height / 2) * size))
    right, bottom = (
        min(size, int((box.x + box.width / 2) * size)),
        min(size, int((box.y + box.height / 2) * size)),
    )
    cut = _cut_out(patch, (left, top, right, bottom))
    piece = patch[top:bottom, left:right]
    long_side = float(np.exp(rng.uniform(np.log(0.18), np.log(0.65)))) * size
    scale = long_side / max(piece.shape[:2])
    stretch = np.exp(rng.uniform(-0.2, 0.2))
    w = int(np.clip(piece.shape[1] * scale * stretch, 16, size - 8))
    h = int(np.clip(piece.shape[0] * scale / stretch, 16, size - 8))
    piece = cv2.resize(piece, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    cut = cv2.resize(cut, (w, h), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        piece, cut = np.ascontiguousarray(piece[:, ::-1]), np.ascontiguousarray(cut[:, ::-1])
    x = int(rng.integers(2, size - w - 2)) if size - w > 5 else 2
    low = int((size - h) * 0.25)
    y = int(rng.integers(low, max(low + 1, size - h - 2)))
    under = scene[y : y + h, x : x + w]
    if rng.random() < 0.5:
        piece = _same_light(piece, under, rng)
    means = rng.random()
    if means < 0.45:
        alpha = cv2.GaussianBlur(cut, (0, 0), 1.0)
    else:
        yy, xx = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        alpha = np.clip((1.05 - np.hypot(xx, yy)) * rng.uniform(3, 8), 0, 1).astype(np.float32)
        if means < 0.6:
            alpha = alpha * np.clip(cut + 0.35, 0, 1)
    area = (slice(y, y + h), slice(x, x + w))
    out = _blend_gradients(scene, piece, alpha, x, y) if means > 0.75 else None
    if out is None:
        out = scene.copy()
        mixed = piece * alpha[..., None] + under * (1 - alpha[..., None])
        out[area] = np.clip(mixed, 0, 255).astype(np.uint8)
    changed = np.abs(out[area].astype(np.float32) - under).max(2)
    visible = cv2.dilate(cv2.blur((changed > 12).astype(np.float32), (5, 5)), np.ones((5, 5), np.uint8)) > 0.2
    mask = np.zeros((size, size), np.uint8)
    mask[area] = ((alpha > 0.4) & visible) * np.uint8(255)
    return out, mask


def _blend_gradients(scene: Image, piece: Image, alpha: NDArray[np.float32], x: int, y: int) -> Image | None:
    """Mix gradients of `piece` into `scene` at (x, y); None where too little of the piece would show."""
    solid = ((alpha > 0.3) * 255).astype(np.uint8)
    solid[0], solid[-1], solid[:, 0], solid[:, -1] = 0, 0, 0, 0
    if not solid.any():
        return None
    ys, xs = np.nonzero(solid)
    centre = (x + (int(xs.min()) + int(xs.max()) + 1) // 2, y + (int(ys.min()) + int(ys.max()) + 1) // 2)
    out = cv2.seamlessClone(piece, scene, solid, centre, cv2.MIXED_CLONE)
    change = np.abs(out.astype(np.int16) - scene).max(2)[y : y + piece.shape[0], x : x + piece.shape[1]]
    return out if float((change[solid > 0] > 15).mean()) > 0.25 else None


def _cut_out(image: Image, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Foreground inside `box` (left, top, right, bottom), 0..1; all of the box where GrabCut finds
    next to nothing."""
    left, top, right, bottom = box
    pad = 12
    edge, roof = max(0, left - pad), max(0, top - pad)
    around = np.ascontiguousarray(image[roof : bottom + pad, edge : right + pad])
    shrink = min(1.0, 128 / max(around.shape[:2]))
    small = cv2.resize(around, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    labels = np.zeros(small.shape[:2], np.uint8)
    rect = (
        max(1, int((left - edge) * shrink)),
        max(1, int((top - roof) * shrink)),
        max(2, int((right - left) * shrink) - 1),
        max(2, int((bottom - top) * shrink) - 1),
    )
    full = np.ones((bottom - top, right - left), np.float32)
    try:
        cv2.grabCut(small, labels, rect, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # a box as large as the picture leaves no background to learn from
        return full
    fore = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.float32)
    if fore.mean() < 0.08:
        return full
    fore = cv2.dilate(fore, np.ones((3, 3), np.uint8))
    wide = cv2.resize(fore, (around.shape[1], around.shape[0]), interpolation=cv2.INTER_LINEAR)
    return wide[top - roof : bottom - roof, left - edge : right - edge]


def _same_light(piece: Image, under: Image, rng: Generator) -> Image:
    """Move the patch's mean and spread part of the way to those of the place under it (Reinhard et al.
    2001)."""
    part = rng.uniform(0.3, 0.9)
    p = piece.astype(np.float32)
    mean, spread = p.mean((0, 1)), p.std((0, 1)) + 1
    to_mean = (1 - part) * mean + part * under.mean((0, 1))
    to_spread = (1 - part * 0.5) * spread + part * 0.5 * (under.std((0, 1)) + 1)
    return np.clip((p - mean) / spread * np.maximum(to_spread, 12) + to_mean, 0, 255).astype(np.uint8)
