"""Look-alikes are found whichever way a copy was turned or mirrored."""

from __future__ import annotations

import cv2
import numpy as np

from layerwatch_train.clean import look_alikes


def test_turned_and_mirrored_copies_look_alike_and_other_pictures_do_not() -> None:
    rng = np.random.default_rng(0)
    small = (rng.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(2))
    one, other = (cv2.resize(s, (96, 96), interpolation=cv2.INTER_CUBIC) for s in small)
    found = look_alikes(np.stack([one, np.rot90(one), one[:, ::-1], other]))
    assert found[0] == found[1] == found[2] != found[3]
