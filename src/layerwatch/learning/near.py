"""Near-duplicates: pictures that look the same, by the difference hash of their brightness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwatch.vision.jpeg.decoder import decode_jpeg

SIDE = 16
BITS = SIDE * SIDE

NEAR_BITS = 12
"""Bits in which the hashes of near-duplicates differ at most. Of 250 real pictures saved again, scaled to
60 % or made a tenth brighter, 95 % differ in 10 bits or less; 28,860 pairs of different prints differ in 64
or more, and neighbouring frames of one print in 55 (median)."""

Hash = NDArray[np.uint64]
"""A hash as four words, shape [4]."""

Hashes = NDArray[np.uint64]
"""Hashes as rows of four words, shape [n, 4]."""

Distances = NDArray[np.float64]
Mask = NDArray[np.bool_]


def dhash(jpeg: bytes) -> str:
    """The picture's difference hash, 64 hexadecimal digits: whether each of 16 x 16 patches is darker than
    the one to its right. Raises ImageDecodeError. (N. Krawetz, "Kind of Like That", 2013.)
    """
    pixels = decode_jpeg(jpeg, at_least=8 * SIDE).pixels
    grey = Image.fromarray(pixels).convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    patches = np.asarray(grey, np.int16)
    return np.packbits(patches[:, :-1] < patches[:, 1:]).tobytes().hex()


def unpack(hashes: Sequence[str]) -> Hashes:
    """Hashes in the form that distances are computed of."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(len(hashes), BITS // 64)


def distances(one: Hash, others: Hashes) -> Distances:
    """In how many bits a hash, shape [4], differs from each other one; shape [n], 0..256."""
    bits: Distances = np.bitwise_count(others ^ one).sum(axis=1).astype(np.float64)
    return bits


def groups(hashes: Sequence[str]) -> list[int]:
    """For each picture the number of the first one that it is near to, or near through others; O(n²)."""
    words = unpack(hashes)
    first = np.arange(len(hashes))
    for place in range(1, len(hashes)):
        near = np.unique(first[:place][distances(words[place], words[:place]) <= NEAR_BITS])
        if len(near):
            first[place] = near[0]
            first[:place][np.isin(first[:place], near[1:])] = near[0]
    return [int(one) for one in first]
