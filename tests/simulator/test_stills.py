"""Stills are training pictures: varied, half healthy, each the same for the same seed."""

from __future__ import annotations

import numpy as np

from layerwatch.simulator import still, stills

SMALL = (160, 120)


def test_odd_seeds_failed_and_even_ones_are_healthy() -> None:
    frames = list(stills(100, 8, SMALL))
    assert [frame.truth.failed for frame in frames] == [False, True] * 4
    for frame in frames:
        assert frame.truth.mask is not None
        if not frame.truth.failed:
            assert not frame.truth.mask.any()


def test_a_still_is_the_same_in_any_process() -> None:
    alone = still(103, SMALL)
    among = list(stills(100, 4, SMALL))[3]
    assert np.array_equal(alone.rgb, among.rgb)
    assert alone.truth == among.truth


def test_no_two_scenes_are_alike() -> None:
    small = [still(seed, SMALL).rgb.astype(float) for seed in range(0, 12, 2)]
    for number, one in enumerate(small):
        for other in small[number + 1 :]:
            assert np.abs(one - other).mean() > 8
