"""What the index gets wrong: near-duplicates and labels that unseen-printer models firmly contradict.

Mislabels are found by confident learning (Northcutt et al. 2021): a picture whose out-of-fold score is
beyond what is usual for the other class. Both lists are meant to be looked at (`sheets.py` draws them)
before anything is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from layerwatch_train.index import Picture


def difference_hash(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[256] bits of a picture's 17x16 horizontal grey differences."""
    grey = cv2.cvtColor(cv2.resize(image, (17, 16), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return (grey[:, 1:] > grey[:, :-1]).astype(np.uint8).ravel()


def near_duplicates(
    images: NDArray[np.uint8], pictures: Sequence[Picture], bits: int = 6
) -> list[tuple[int, int]]:
    """Pairs of pictures of different groups whose hashes differ in at most `bits` of 256: they would leak
    between the sides of a split."""
    hashes = np.stack([difference_hash(image) for image in images]).astype(np.float32)
    groups = np.array([p.group for p in pictures])
    pairs = []
    for start in range(0, len(hashes), 512):
        part = hashes[start : start + 512]
        distance = part.sum(1)[:, None] + hashes.sum(1)[None] - 2 * part @ hashes.T
        for i, j in np.argwhere(distance <= bits):
            if start + i < j and groups[start + i] != groups[j]:
                pairs.append((int(start + i), int(j)))
    return pairs


def look_alikes(images: NDArray[np.uint8], bits: int = 40) -> NDArray[np.int64]:
    """[N] a number that pictures of one look share: those whose hashes differ in at most `bits` of 256 in
    one of the eight turns and mirrors, and those linked by others."""
    small = [cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA) for image in images]
    turned = [[np.rot90(s[:, ::flip], k) for s in small] for flip in (1, -1) for k in range(4)]
    hashes = [
        np.stack([difference_hash(np.ascontiguousarray(s)) for s in part]).astype(np.float32)
        for part in turned
    ]
    first, number = hashes[0], np.arange(len(images))
    for other in hashes:
        for start in range(0, len(first), 512):
            part = first[start : start + 512]
            distance = part.sum(1)[:, None] + other.sum(1)[None] - 2 * part @ other.T
            for i, j in np.argwhere(distance <= bits):
                if number[start + i] != number[j]:
                    number[number == number[j]] = number[start + i]
    return number


def suspected_mislabels(
    pictures: Sequence[Picture], probability: NDArray[np.float64], margin: float = 0.02
) -> NDArray[np.int64]:
    """Positions of webcam pictures labelled good that score like the surest failures, and the reverse.

    margin: the share of the other class's scores that a picture must lie beyond. Sorted, the firmest
    contradiction first.
    """
    label = np.array([p.label for p in pictures])
    known = np.isfinite(probability)
    good, failed = known & (label == "good"), known & (label == "failed")
    if not good.any() or not failed.any():
        return np.zeros(0, np.int64)
    high = max(float(np.median(probability[failed])), float(np.quantile(probability[good], 1 - margin)))
    low = min(float(np.median(probability[good])), float(np.quantile(probability[failed], margin)))
    wrong = np.flatnonzero((good & (probability > high)) | (failed & (probability < low)))
    firmness = np.where(label[wrong] == "good", probability[wrong], 1 - probability[wrong])
    return wrong[np.argsort(-firmness)]
