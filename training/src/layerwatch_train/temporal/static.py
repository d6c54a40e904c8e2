"""The scenes that fool the detector most, standing still for twelve hours, and then a failure in them.

The evidence is a held-out detector's on real frames of healthy prints that it is most wrong on; from frame to
frame only noise is added to it (modelled). The failure's evidence is the held-out detector's on frames of a
real failing print from its fifth failed frame on, when it is plain, moved to where the scene's heat map
is coolest; a picture that shows both has the higher of the two everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch_train.temporal.judge import run_ours
from layerwatch_train.temporal.prints import Print

HOURS, INTERVAL, NOISE = 12.0, 40.0, 0.3
FAILING_FRAMES, GROWN = 12, 4


@dataclass(frozen=True, slots=True)
class Static:
    """What happened in one scene. frames: from the failure's first until quality 1-3, until the warning, …"""

    name: str
    score: float
    warnings: int
    frames_to_low: int | None
    frames_to_warning: int | None
    frames_to_pause: int | None


def static_prints(sequences: Sequence[Print], count: int, seed: int, *, failed: bool = False) -> list[Print]:
    """A print of each of the `count` healthy frames with the highest scores, at most two of a sequence.

    failed: of frames of failures instead.
    """
    rng = np.random.default_rng(seed)
    healthy = [
        (float(one.scores[i]), one, i)
        for one in sequences
        for i in np.flatnonzero((one.seconds < one.healthy_seconds) != failed).tolist()
    ]
    healthy.sort(key=lambda entry: -entry[0])
    taken: Counter[str] = Counter()
    worst: list[tuple[Print, int]] = []
    for _, scene, frame in healthy:
        taken[scene.name] += 1
        if taken[scene.name] <= 2 and len(worst) < count:
            worst.append((scene, frame))
    failing = [one for one in sequences if one.onset is not None]
    return [
        _static_print(scene, frame, failing[at % len(failing)], rng)
        for at, (scene, frame) in enumerate(worst)
    ]


def static_scenes(sequences: Sequence[Print], count: int, seed: int) -> list[Static]:
    """The test on the prints of `static_prints`."""
    results = []
    for print_ in static_prints(sequences, count, seed):
        flags = run_ours(print_)[2]
        assert flags.quality is not None
        low = flags.quality <= 3
        begins = int(np.searchsorted(print_.seconds, print_.onset or 0.0))
        results.append(
            Static(
                print_.name,
                float(np.median(print_.scores[:begins])),
                int(np.count_nonzero(flags.warning[:begins])),
                _first(low[begins:]),
                _first(flags.warning[begins:]),
                _first(flags.pause[begins:]),
            )
        )
    return results


def _static_print(scene: Print, frame: int, failure: Print, rng: np.random.Generator) -> Print:
    still = int(HOURS * 3600 / INTERVAL)
    total = still + FAILING_FRAMES
    begun = int(np.searchsorted(failure.seconds, failure.onset or 0.0))
    shown = np.minimum(begun + GROWN + np.arange(FAILING_FRAMES), len(failure.seconds) - 1)
    score = _noisy(np.full(total, scene.scores[frame]), rng)
    heat = _noisy(np.repeat(scene.heat[frame][None] / 255.0, total, axis=0), rng)
    score[still:] = np.maximum(score[still:], failure.scores[shown])
    heat[still:] = np.maximum(heat[still:], _moved(failure.heat[shown] / 255.0, scene.heat[frame] / 255.0))
    pixels = scene.thumbnails[frame][None].astype(float) + rng.normal(0, 1.0, (total, 768))
    return Print(
        name=f"{scene.name} frame {frame}, then {failure.name}",
        seconds=np.arange(total, dtype=np.float64) * INTERVAL,
        scores=score,
        heat=np.rint(heat * 255).astype(np.uint8),
        thumbnails=np.clip(np.rint(pixels), 0, 255).astype(np.uint8),
        conditions=[scene.conditions[frame]] * total,
        onset=still * INTERVAL,
    )


def _moved(failure: NDArray[np.float64], scene: NDArray[np.float64]) -> NDArray[np.float64]:
    """The failure's maps [n, rows, columns], shifted to overlap least with the scene's [rows, columns]."""
    mean = failure.mean(axis=0)
    shifts = [(down, along) for down in range(mean.shape[0]) for along in range(mean.shape[1])]
    best = min(shifts, key=lambda shift: float((np.roll(mean, shift, (0, 1)) * scene).sum()))
    return np.roll(failure, best, (1, 2))


def _noisy(probability: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    bounded = np.clip(probability, 1e-3, 1 - 1e-3)
    logits = np.log(bounded / (1 - bounded)) + rng.normal(0, NOISE, bounded.shape)
    noisy: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
    return noisy


def _first(flag: NDArray[np.bool_]) -> int | None:
    hits = np.flatnonzero(flag)
    return int(hits[0]) + 1 if hits.size else None
