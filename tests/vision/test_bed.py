"""The bed check: what lies there is found in another light, and what is only light is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from layerwatch.vision.bed import CELLS, BedAnswer, EmptyBed, bed_view

Pixels = NDArray[np.float64]

WIDTH, HEIGHT = 640, 480
TARGET_SHARE = 0.008
"""Of the picture: 2 % of a bed that covers 40 % of it."""


def scene(seed: int = 0, brightest: float = 170) -> Pixels:
    """A bed with clips, screws and cables: patches of 20 to 60 pixels on a smooth ground."""
    rng = np.random.default_rng(seed)
    pixels = np.full((HEIGHT, WIDTH, 3), 90.0)
    for _ in range(60):
        top, left = rng.integers(0, HEIGHT - 60), rng.integers(0, WIDTH - 60)
        height, width = rng.integers(20, 60, 2)
        pixels[top : top + height, left : left + width] = rng.uniform(40, brightest, 3)
    pixels[190:300, 240:400] = 90.0  # where a part will lie
    return pixels


def with_part(pixels: Pixels, levels: float, share: float = TARGET_SHARE) -> Pixels:
    """The scene with a square on its plain ground that is brighter by these levels."""
    side = round((share * HEIGHT * WIDTH) ** 0.5)
    changed = pixels.copy()
    changed[200 : 200 + side, 260 : 260 + side] += levels
    return changed


def lit(
    pixels: Pixels, gain: float = 1.0, slope: float = 0.0, warm: float = 0.0, veil: float = 0.0
) -> Pixels:
    """The scene in another light: brighter, more from one side, warmer, and through stray light."""
    across = 1 + slope * np.linspace(-1, 1, WIDTH)[None, :, None]
    return pixels * gain * across * np.array([1 + warm, 1, 1 - warm]) + veil


def seen(pixels: Pixels, seed: int = 1, shift: tuple[int, int] = (0, 0)) -> bytes:
    """A view of it by a camera with noise, some pixels aside."""
    rng = np.random.default_rng(seed)
    moved = np.roll(pixels, shift, axis=(0, 1)) + rng.normal(0, 3, pixels.shape)
    out = io.BytesIO()
    Image.fromarray(np.clip(moved, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=80)
    return bed_view(out.getvalue())


LIGHTS = [
    {},
    {"gain": 0.8},
    {"gain": 1.25},
    {"slope": 0.12},
    {"slope": -0.15, "gain": 0.9},
    {"warm": 0.06},
    {"veil": 20.0},
]


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("seed", range(3))
def test_an_empty_bed_is_clear_in_any_usual_light(light: dict[str, float], seed: int) -> None:
    bed = EmptyBed.teach(seen(scene(seed)))
    assert bed.check(seen(lit(scene(seed), **light), 2, (2, -2))).answer is BedAnswer.CLEAR


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("levels", [45.0, -45.0])
def test_a_part_of_two_percent_of_the_bed_and_little_contrast_is_found_in_each_light(
    light: dict[str, float], levels: float
) -> None:
    bed = EmptyBed.teach(seen(scene()))
    checked = bed.check(seen(lit(with_part(scene(), levels), **light), 2))
    assert checked.answer is BedAnswer.NOT_CLEAR
    (place,) = checked.left_overs
    assert place.left <= 0.43 <= place.left + place.width and place.top <= 0.45 <= place.top + place.height
    assert 0.5 * TARGET_SHARE < place.area < 2 * TARGET_SHARE


def test_a_part_of_another_colour_and_the_same_brightness_is_found() -> None:
    pixels = scene()
    pixels[200:250, 260:310] += (45, -25, 18)
    assert EmptyBed.teach(seen(scene())).check(seen(pixels, 2)).answer is BedAnswer.NOT_CLEAR


def test_what_covers_a_tenth_of_that_is_not_held_for() -> None:
    bed = EmptyBed.teach(seen(scene()))
    assert bed.check(seen(with_part(scene(), 40, TARGET_SHARE / 10), 2)).answer is BedAnswer.CLEAR


@pytest.mark.parametrize("gain", [1.1, 1.2, 1.3])
def test_a_highlight_that_is_blown_out_hides_its_colour_and_is_no_left_over(gain: float) -> None:
    pixels = scene()
    pixels[330:430, 100:260] = (250, 225, 200)
    bed = EmptyBed.teach(seen(pixels))
    assert bed.check(seen(lit(pixels, gain=gain, warm=0.03), 2)).answer is BedAnswer.CLEAR


def test_what_the_picture_shows_at_its_border_only_when_the_camera_shakes_is_no_left_over() -> None:
    pixels = scene()
    pixels[:, :6], pixels[:, -6:] = 20, 230
    bed = EmptyBed.teach(seen(pixels))
    assert bed.check(seen(pixels, 2, (0, 3))).answer is BedAnswer.CLEAR


@pytest.mark.parametrize("gain", [0.2, 3.5])
def test_in_quite_another_light_nothing_is_said(gain: float) -> None:
    dim = scene(brightest=100)
    checked = EmptyBed.teach(seen(dim)).check(seen(lit(dim, gain=gain), 2))
    assert checked.answer is BedAnswer.CANNOT_SAY and "light" in checked.reason


@pytest.mark.parametrize("aside", [(0, 60), (45, 0), (90, 120)])
@pytest.mark.parametrize("seed", range(3))
def test_after_the_camera_was_moved_nothing_is_said(aside: tuple[int, int], seed: int) -> None:
    checked = EmptyBed.teach(seen(scene(seed))).check(seen(scene(seed), 2, aside))
    assert checked.answer is BedAnswer.CANNOT_SAY and "camera" in checked.reason


def test_a_bed_without_any_edge_is_judged_all_the_same() -> None:
    plain = np.full((HEIGHT, WIDTH, 3), 90.0)
    bed = EmptyBed.teach(seen(plain))
    assert bed.check(seen(lit(plain, gain=1.1), 2)).answer is BedAnswer.CLEAR
    assert bed.check(seen(with_part(plain, 40), 2)).answer is BedAnswer.NOT_CLEAR


def test_a_learned_bed_allows_what_changed_over_its_prints() -> None:
    rng = np.random.default_rng(3)

    def start(number: int) -> Pixels:
        """The plain ground shines differently each time."""
        pixels = scene()
        pixels[190:300, 240:400] += rng.uniform(-30, 30)
        return pixels

    bed: EmptyBed | None = None
    for number in range(8):
        bed = EmptyBed.learn(bed, seen(start(number), number))
    assert bed is not None
    assert [bed.check(seen(start(n), n)).answer for n in range(20, 26)] == [BedAnswer.CLEAR] * 6
    assert bed.check(seen(with_part(scene(), 110), 30)).answer is BedAnswer.NOT_CLEAR


def test_a_bed_comes_back_from_its_bytes_and_fits_a_printers_memory() -> None:
    bed = EmptyBed.teach(seen(scene()))
    data = bed.to_bytes()
    assert EmptyBed.from_bytes(data).to_bytes() == data and CELLS < len(data) < 8192
