"""A frame that lost a part in the middle is refused, and the refusal is in words for the sender."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from layerwatch.vision.errors import ImageDecodeError
from layerwatch.vision.jpeg.decoder import decode_jpeg
from tests.support.jpegs import DHT, DQT, EOI, SOS, assemble, encode, mjpeg_frame, segments, textured

SCENE = textured(320, 240)
BASELINE = {
    "standard tables": encode(SCENE, quality=85),
    "optimised tables": encode(SCENE, quality=85, optimize=True),
    "restart markers": encode(SCENE, quality=85, restart_marker_rows=1),
    "grey": encode(SCENE.convert("L"), quality=85),
    "mjpeg frame": mjpeg_frame(encode(SCENE, quality=85)),
}
PROGRESSIVE = encode(SCENE, quality=85, progressive=True)


def coded(jpeg: bytes) -> tuple[int, int]:
    """Where the coded data of the only scan begin and end, less the last bytes."""
    return jpeg.rindex(b"\xff\xda") + 14, len(jpeg) - 40


@pytest.mark.parametrize("size", [15, 64, 1024])
@pytest.mark.parametrize("name", BASELINE)
def test_a_hole_that_was_filled_with_zeros_never_passes(name: str, size: int) -> None:
    jpeg = BASELINE[name]
    first, last = coded(jpeg)
    for at in np.linspace(first, last - size, 150, dtype=int):
        with pytest.raises(ImageDecodeError):
            decode_jpeg(jpeg[:at] + bytes(size) + jpeg[at + size :], 240)


@pytest.mark.parametrize("name", BASELINE)
def test_nor_does_one_that_was_filled_with_ff(name: str) -> None:
    jpeg = BASELINE[name]
    first, last = coded(jpeg)
    for at in np.linspace(first, last - 64, 150, dtype=int):
        with pytest.raises(ImageDecodeError):
            decode_jpeg(jpeg[:at] + b"\xff" * 63 + b"\x00" + jpeg[at + 64 :], 240)


@pytest.mark.parametrize("left", [b"\x5a", b"\x00\x5a", b"\x5a\x00\x5a\x00\x5a\x00"])
def test_data_left_over_before_the_end_marker_are_the_remains_of_a_hole(left: bytes) -> None:
    # The decoder reads up to seven bytes ahead, and does not miss those.
    with pytest.raises(ImageDecodeError, match="missing or overwritten"):
        decode_jpeg(PLAIN[:-2] + b"\x5a" * 7 + left + EOI, 240)


def test_zeros_in_a_flat_picture_with_tables_of_its_own_are_no_hole() -> None:
    flat = encode(Image.new("RGB", (640, 480), (128, 128, 128)), optimize=True)
    assert bytes(64) in flat
    assert np.ptp(decode_jpeg(flat, 240).pixels) == 0


def test_a_progressive_frame_that_lost_its_first_bits_in_part_never_passes() -> None:
    parts = segments(PROGRESSIVE)
    first = [part for marker, part in parts if marker == SOS][1]
    for at in np.linspace(14, len(first) - 300, 40, dtype=int):
        damaged = first[:at] + bytes(256) + first[at + 256 :]
        with pytest.raises(ImageDecodeError):
            decode_jpeg(assemble([damaged if part is first else part for _, part in parts]), 240)


def test_a_progressive_copy_of_a_jpeg_is_no_hole() -> None:
    """Its last bits are all zeros, because the first compression rounded them away."""
    copy = encode(textured(640, 480), quality=85)
    with Image.open(io.BytesIO(copy)) as image:
        decode_jpeg(encode(image, quality=85, progressive=True), 240)


PLAIN = BASELINE["standard tables"]
DAMAGED = {
    "no quantisation tables": assemble([part for marker, part in segments(PROGRESSIVE) if marker != DQT]),
    "no Huffman tables": assemble([part for marker, part in segments(PROGRESSIVE) if marker != DHT]),
    "a bad Huffman table": PLAIN.replace(b"\xff\xc4\x00\x1f\x00", b"\xff\xc4\x00\x1f\x77"),
    "a part missing": PLAIN[:3000] + PLAIN[3200:],
    "no such sampling": PLAIN.replace(b"\x03\x01\x22\x00\x02\x11", b"\x03\x01\xff\x00\x02\x11"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_refusal_names_no_function_or_marker_of_the_decoder(name: str) -> None:
    with pytest.raises(ImageDecodeError) as refused:
        decode_jpeg(DAMAGED[name], 240)
    words = str(refused.value)
    assert not any(word in words.lower() for word in ("tj", "()", "huffman", "0x", "marker", "extraneous"))
    assert words.endswith(("unchanged.", "interrupted."))
