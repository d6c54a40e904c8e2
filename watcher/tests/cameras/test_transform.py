"""Turned, flipped, cut and hidden: the picture is as the configuration says."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from layerwatch_watcher.cameras import CameraError, CameraSetupError, jpeg
from layerwatch_watcher.cameras.transform import (
    LitCamera,
    PictureTransform,
    TransformedCamera,
    oriented,
    redrawn,
)

RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (240, 240, 240)


def quarters() -> bytes:
    """Red top left, green top right, blue bottom left, white bottom right; 80x60."""
    image = Image.new("RGB", (80, 60))
    for colour, at in ((RED, (0, 0)), (GREEN, (40, 0)), (BLUE, (0, 30)), (WHITE, (40, 30))):
        image.paste(colour, (*at, at[0] + 40, at[1] + 30))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95)
    return out.getvalue()


def corners(picture: bytes) -> list[tuple[int, int, int]]:
    """The nearest named colours of the four corners, in reading order, as a viewer shows the picture."""
    with Image.open(io.BytesIO(picture)) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    w, h = image.size
    found = []
    for at in ((5, 5), (w - 6, 5), (5, h - 6), (w - 6, h - 6)):
        seen = image.getpixel(at)
        assert isinstance(seen, tuple)
        found.append(min((RED, GREEN, BLUE, WHITE), key=lambda c: sum((a - b) ** 2 for a, b in zip(c, seen))))
    return found


def pixels_turned_back(picture: bytes, orientation: int) -> bytes:
    """The picture's pixels so that this EXIF orientation shows it upright."""
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    if orientation == 1:
        return picture
    with Image.open(io.BytesIO(picture)) as image:
        out = io.BytesIO()
        image.transpose(back[orientation]).save(out, "JPEG", quality=95)
    return out.getvalue()


VIEWS = [
    (PictureTransform(rotate=90), [BLUE, RED, WHITE, GREEN]),
    (PictureTransform(rotate=180), [WHITE, BLUE, GREEN, RED]),
    (PictureTransform(rotate=270), [GREEN, WHITE, RED, BLUE]),
    (PictureTransform(flip_horizontal=True), [GREEN, RED, WHITE, BLUE]),
    (PictureTransform(flip_vertical=True), [BLUE, WHITE, RED, GREEN]),
    (PictureTransform(rotate=90, flip_horizontal=True), [WHITE, GREEN, BLUE, RED]),
    (PictureTransform(rotate=90, flip_vertical=True), [RED, BLUE, GREEN, WHITE]),
    (PictureTransform(rotate=180, flip_horizontal=True, flip_vertical=True), [RED, GREEN, BLUE, WHITE]),
]


@pytest.mark.parametrize(("view", "expected"), VIEWS)
def test_turning_and_flipping_show_without_a_pixel_changed(
    view: PictureTransform, expected: list[Any]
) -> None:
    picture = quarters()
    turned = oriented(picture, view.orientation)
    assert corners(turned) == expected
    assert turned.endswith(picture[-500:])


@pytest.mark.parametrize(("view", "expected"), VIEWS)
def test_the_redrawn_picture_is_turned_the_same_way(view: PictureTransform, expected: list[Any]) -> None:
    assert corners(redrawn(quarters(), view)) == expected


def test_turning_before_flipping_is_another_thing() -> None:
    assert corners(
        oriented(
            quarters(), PictureTransform.turned_then_flipped(90, horizontal=True, vertical=False).orientation
        )
    ) == [
        RED,
        BLUE,
        GREEN,
        WHITE,
    ]


@pytest.mark.parametrize("own", range(1, 9))
@pytest.mark.parametrize(("view", "expected"), VIEWS)
def test_a_view_composes_with_the_camera_s_own_orientation(
    own: int, view: PictureTransform, expected: list[Any]
) -> None:
    upright = quarters()
    stored = oriented(pixels_turned_back(upright, own), own)  # as a phone stores it: shown, it is upright
    assert corners(stored) == [RED, GREEN, BLUE, WHITE]
    assert corners(oriented(stored, view.orientation)) == expected
    assert corners(redrawn(stored, view)) == expected


def test_the_orientation_is_found_in_either_byte_order() -> None:
    for order in ("little", "big"):
        exif = Image.Exif()
        exif.endian = "<" if order == "little" else ">"
        exif[0x010F] = "a maker"
        exif[0x0112] = 6
        out = io.BytesIO()
        Image.new("RGB", (16, 16)).save(out, "JPEG", exif=exif.tobytes())
        assert jpeg.orientation_of(out.getvalue()) == 6
    assert jpeg.orientation_of(quarters()) == 1


@given(st.binary(max_size=200))
def test_no_bytes_break_the_search_for_an_orientation(tiff: bytes) -> None:
    body = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    assert 1 <= jpeg.orientation_of(b"\xff\xd8" + segment + quarters()[2:]) <= 8


def test_a_crop_keeps_the_part() -> None:
    with Image.open(io.BytesIO(redrawn(quarters(), PictureTransform(crop=(0.5, 0.0, 0.5, 0.5))))) as image:
        assert image.size == (40, 30)
    assert set(corners(redrawn(quarters(), PictureTransform(crop=(0.5, 0.0, 0.5, 0.5))))) == {GREEN}


def test_an_ignored_part_becomes_one_even_colour() -> None:
    noise = io.BytesIO()
    Image.effect_noise((320, 240), 90).convert("RGB").save(noise, "JPEG", quality=95)
    hidden = redrawn(noise.getvalue(), PictureTransform(ignore=((0.25, 0.25, 0.5, 0.5),)))
    with Image.open(io.BytesIO(hidden)) as image:
        grey = image.convert("L")
        inside = grey.crop((100, 80, 220, 160)).getextrema()
        outside = grey.crop((0, 0, 320, 50)).getextrema()
    assert inside[1] - inside[0] < 12  # type: ignore[operator]
    assert outside[1] - outside[0] > 60  # type: ignore[operator]


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(CameraSetupError) as caught:
        TransformedCamera(Still(b""), PictureTransform(crop=(0, 0, 1, 1)))
    assert "layerwatch-watcher[images]" in caught.value.hint


def test_without_pillow_turning_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    TransformedCamera(Still(b""), PictureTransform(rotate=180))


class Still:
    """A camera that gives one picture; `events` is shared with the light."""

    def __init__(self, picture: bytes, events: list[str] | None = None) -> None:
        self.picture = picture
        self.events = events if events is not None else []

    async def snapshot(self) -> bytes:
        self.events.append("picture")
        if not self.picture:
            raise CameraError("broken")
        return self.picture

    async def close(self) -> None:
        self.events.append("closed")


async def test_the_light_is_on_before_the_picture_and_off_after_it() -> None:
    events: list[str] = []

    async def switch(on: bool) -> None:
        events.append("on" if on else "off")

    async def sleep(seconds: float) -> None:
        events.append(f"wait {seconds:g}")

    await LitCamera(Still(quarters(), events), switch, settle=3, sleep=sleep).snapshot()
    assert events == ["on", "wait 3", "picture", "off"]


async def test_the_light_goes_off_although_the_picture_failed() -> None:
    events: list[str] = []

    async def switch(on: bool) -> None:
        events.append("on" if on else "off")

    with pytest.raises(CameraError):
        await LitCamera(Still(b"", events), switch, settle=0).snapshot()
    assert events[-1] == "off"


async def test_a_light_that_does_not_obey_keeps_no_picture_away() -> None:
    async def switch(on: bool) -> None:
        raise RuntimeError("no lamp")

    assert await LitCamera(Still(quarters()), switch).snapshot() == quarters()


def test_the_service_turns_it_the_same_way(tmp_path: Path) -> None:
    jpeg_reader = pytest.importorskip("layerwatch.vision.jpeg.header")
    for orientation in range(2, 9):
        header = jpeg_reader.read_header(oriented(quarters(), orientation))
        assert header.orientation == orientation
