"""Near-duplicates: the same picture saved again is found, another one is not."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageEnhance

from layerwatch.learning.near import NEAR_BITS, dhash, distances, groups, unpack
from tests.support.feedback import jpeg


def saved_again(data: bytes, *, scale: float = 1.0, quality: int = 85, brightness: float = 1.0) -> bytes:
    image = Image.open(io.BytesIO(data))
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    file = io.BytesIO()
    ImageEnhance.Brightness(image).enhance(brightness).save(file, "JPEG", quality=quality)
    return file.getvalue()


def differ(one: bytes, other: bytes) -> float:
    return float(distances(unpack([dhash(one)])[0], unpack([dhash(other)]))[0])


@pytest.mark.parametrize("change", [{"scale": 0.6}, {"quality": 60}, {"brightness": 1.1}])
def test_a_copy_is_near(change: dict[str, float]) -> None:
    assert differ(jpeg(1), saved_again(jpeg(1), **change)) <= NEAR_BITS  # type: ignore[arg-type]


def test_another_picture_is_far() -> None:
    assert differ(jpeg(1), jpeg(2)) > 5 * NEAR_BITS


def test_groups_are_joined_by_a_picture_between_them() -> None:
    def bits(*places: int) -> str:
        return f"{sum(1 << place for place in places):064x}"

    far, one = bits(*range(100, 200)), bits()
    between = bits(*range(NEAR_BITS))
    other = bits(*range(2 * NEAR_BITS))
    assert groups([far, one, other, between]) == [0, 1, 1, 1]
    assert groups([far, one, other]) == [0, 1, 2]
    assert groups([]) == []
