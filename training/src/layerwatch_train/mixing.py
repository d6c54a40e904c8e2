"""Changes to a batch that are made where it is learned from, afresh at each use of a sample."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerwatch_train.bank import on


def cutmix(
    images: Tensor,
    maps: NDArray[np.float32],
    labels: NDArray[np.float32],
    kinds: NDArray[np.float32],
    share: float,
    rng: np.random.Generator,
) -> None:
    """In place: set a rectangle of another sample into a `share` of the good ones (CutMix, Yun et al. 2019).

    images: [B, S, S, 3]; maps: [B, G, G]; labels: [B]; kinds: [B, 8]. Six of ten rectangles show a failure,
    with the map target to match; the others are healthy controls, so that the seam itself tells nothing.
    """
    grid = maps.shape[1]
    stride = images.shape[1] // grid
    failed = labels > 0.5
    hosts = np.flatnonzero(~failed)
    givers = {True: np.flatnonzero(failed & (maps > 0.5).any((1, 2)) & (maps[:, 0, 0] >= 0)), False: hosts}
    frozen = images.clone()
    for host in hosts[rng.random(len(hosts)) < share]:
        failing = bool(rng.random() < 0.6)
        if not len(givers[failing]):
            continue
        giver = int(rng.choice(givers[failing]))
        if failing:
            ys, xs = np.nonzero(maps[giver] > 0.5)
            top, bottom = int(ys.min()), int(ys.max()) + 1
            left, right = int(xs.min()), int(xs.max()) + 1
        else:
            h, w = (int(n) for n in rng.integers(max(1, grid * 3 // 20), grid // 2 + 1, 2))
            top, left = int(rng.integers(0, grid - h + 1)), int(rng.integers(0, grid - w + 1))
            bottom, right = top + h, left + w
        h, w = bottom - top, right - left
        if h * w > grid * grid // 2:
            continue
        y, x = int(rng.integers(0, grid - h + 1)), int(rng.integers(0, grid - w + 1))
        piece = frozen[giver, top * stride : bottom * stride, left * stride : right * stride]
        images[host, y * stride : (y + h) * stride, x * stride : (x + w) * stride] = piece
        if failing:
            maps[host, y : y + h, x : x + w] = maps[giver, top:bottom, left:right]
            labels[host], kinds[host] = 1.0, kinds[giver]


def hflip(images: Tensor, maps: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Half of the [B, S, S, 3] pictures and [B, G, G] maps seen in a mirror."""
    turned = on(rng.random(len(images)) < 0.5, images.device)
    return (
        torch.where(turned[:, None, None, None], images.flip(2), images),
        torch.where(turned[:, None, None], maps.flip(2), maps),
    )


def color_jitter(images: Tensor) -> Tensor:
    """[B, 3, S, S] float pictures in 0..255 with another gain and offset each."""
    gain = 1 + 0.12 * torch.randn((len(images), 1, 1, 1), device=images.device)
    offset = 8 * torch.randn((len(images), 1, 1, 1), device=images.device)
    return (images * gain + offset).clamp(0, 255)
