"""The picture's condition, on made-up scenes and on what cameras do to them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from layerwatch.vision import Condition
from layerwatch.vision.image_quality import judge, measure
from tests.support.jpegs import textured

SCENE = textured(640, 480, seed=3)


def noisy(image: Image.Image, amount: float) -> Image.Image:
    pixels = np.asarray(image, dtype=float)
    grain = np.random.default_rng(0).normal(0, amount, pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def scaled(image: Image.Image, factor: float, offset: float = 0.0) -> Image.Image:
    return image.point(lambda level: max(0, min(255, level * factor + offset)))


def smeared(image: Image.Image, pixels: int) -> Image.Image:
    """As a camera that moved sideways while it exposed."""
    sums = np.cumsum(np.asarray(image, dtype=float), axis=1)
    mean = (sums[:, pixels:] - sums[:, :-pixels]) / pixels
    return Image.fromarray(mean.clip(0, 255).astype(np.uint8))


def shaded(level: float, slope: float) -> Image.Image:
    """What a lens sees that something covers: no edges, slow shading."""
    rows, columns = np.mgrid[0:480, 0:640]
    plane = level + slope * (rows / 480 + columns / 640 - 1)
    return Image.fromarray(np.repeat(plane[..., None], 3, axis=2).clip(0, 255).astype(np.uint8))


def condition(image: Image.Image, in_view: float = 1.0) -> Condition:
    return judge(measure(image.resize((320, 320), Image.Resampling.BILINEAR)), in_view)


LOOKABLE = {
    "as it is": SCENE,
    "half as bright": scaled(SCENE, 0.5),
    "a night frame, noisy": noisy(scaled(SCENE, 0.35), 6),
    "washed out": scaled(SCENE, 0.4, 130),
    "bright": scaled(SCENE, 1.4, 10),
    "very noisy": noisy(SCENE, 25),
    "from a 320 x 240 camera": SCENE.resize((320, 240), Image.Resampling.BILINEAR),
    "a little soft": SCENE.filter(ImageFilter.GaussianBlur(1)),
    "upside down": SCENE.transpose(Image.Transpose.ROTATE_180),
}


@pytest.mark.parametrize("name", LOOKABLE)
def test_a_frame_a_person_could_judge_by_is_ok(name: str) -> None:
    assert condition(LOOKABLE[name]) is Condition.OK


UNFIT = {
    "lights out": (noisy(scaled(SCENE, 0.05), 2), Condition.DARK),
    "black": (Image.new("RGB", (640, 480)), Condition.DARK),
    "lens cap on": (noisy(Image.new("RGB", (640, 480), (6, 6, 6)), 3), Condition.DARK),
    "white": (Image.new("RGB", (640, 480), (255, 255, 255)), Condition.OVEREXPOSED),
    "lamp into the lens": (scaled(SCENE, 8, 150), Condition.OVEREXPOSED),
    "a hand over the lens": (noisy(shaded(110, 25), 4), Condition.BLOCKED),
    "tape over the lens, lit from the side": (noisy(shaded(120, 90), 4), Condition.BLOCKED),
    "out of focus": (SCENE.filter(ImageFilter.GaussianBlur(7)), Condition.BLURRED),
    "out of focus and noisy": (noisy(SCENE.filter(ImageFilter.GaussianBlur(7)), 5), Condition.BLURRED),
    "shaken sideways": (smeared(SCENE, 31), Condition.BLURRED),
    "shaken up and down": (
        smeared(SCENE.transpose(Image.Transpose.TRANSPOSE), 31).transpose(Image.Transpose.TRANSPOSE),
        Condition.BLURRED,
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_unusable_frame_is_named(name: str) -> None:
    image, expected = UNFIT[name]
    assert condition(image) is expected


def test_an_empty_scene_is_recognised_by_the_detector() -> None:
    assert condition(SCENE, in_view=0.05) is Condition.NO_PRINT
    assert condition(SCENE, in_view=0.9) is Condition.OK


def test_an_unfit_picture_is_never_called_empty() -> None:
    assert condition(Image.new("RGB", (64, 64)), in_view=0.0) is Condition.DARK


def test_blur_only_lowers_sharpness() -> None:
    blurs = [measure(SCENE.filter(ImageFilter.GaussianBlur(radius))).sharpness for radius in (0, 2, 4, 8)]
    assert blurs == sorted(blurs, reverse=True)


def test_sharpness_does_not_depend_on_contrast() -> None:
    assert measure(scaled(SCENE, 0.4, 60)).sharpness == pytest.approx(measure(SCENE).sharpness, abs=0.05)


def test_brightness_and_thumbnail_are_what_they_say() -> None:
    image = Image.new("RGB", (320, 320))
    image.paste((255, 255, 255), (160, 0, 320, 320))
    found = measure(image)
    assert found.brightness == pytest.approx(0.5, abs=0.01)
    thumbnail = np.frombuffer(found.thumbnail, np.uint8).reshape(24, 32)
    assert thumbnail[:, :15].max() == 0
    assert thumbnail[:, 17:].min() == 255
