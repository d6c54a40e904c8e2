"""What decodes, what does not, and the error that the sender gets."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from layerwatch.vision.errors import ImageDecodeError
from layerwatch.vision.jpeg.decoder import decode_jpeg
from layerwatch.vision.jpeg.header import MAX_PICTURE_BYTES, MAX_SCANS, read_header
from tests.support.jpegs import (
    APP0,
    DHT,
    EOI,
    FRAMES,
    SOI,
    SOS,
    assemble,
    claiming,
    encode,
    mjpeg_frame,
    segments,
    textured,
)

PLAIN = encode(quality=85)
RESTARTS = encode(quality=85, restart_marker_blocks=7)
PROGRESSIVE = encode(quality=85, progressive=True)
KINDS_OF_JPEG = {
    "baseline": PLAIN,
    "4:4:4": encode(quality=85, subsampling=0),
    "4:2:2": encode(quality=85, subsampling=1),
    "optimised tables": encode(quality=85, optimize=True),
    "progressive": PROGRESSIVE,
    "restart markers": RESTARTS,
    "restart every row": encode(quality=85, restart_marker_rows=1),
    "grey": encode(textured().convert("L")),
    "mjpeg frame": mjpeg_frame(encode(quality=85)),
}


def reference(jpeg: bytes, size: tuple[int, int]) -> np.ndarray:
    """Pillow's full decode, reduced to `size`."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX), dtype=float)


@pytest.mark.parametrize("name", [name for name in KINDS_OF_JPEG if name != "mjpeg frame"])
def test_the_reduced_decode_matches_a_full_one(name: str) -> None:
    pixels = decode_jpeg(KINDS_OF_JPEG[name], at_least=240).pixels
    assert pixels.shape == (240, 320, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels - reference(KINDS_OF_JPEG[name], (320, 240))).mean() < 2.5


@pytest.mark.parametrize(
    ("size", "at_least", "decoded"),
    [
        ((1280, 720), 320, (640, 360)),
        ((1920, 1080), 320, (960, 540)),
        ((640, 480), 320, (640, 480)),
        ((4000, 3000), 320, (500, 375)),
        ((100, 80), 320, (100, 80)),
        ((33, 17), 16, (33, 17)),
        ((1281, 721), 320, (641, 361)),
    ],
)
def test_it_reduces_as_far_as_both_sides_stay_large_enough(size, at_least, decoded) -> None:
    pixels = decode_jpeg(encode(Image.new("RGB", size, (200, 30, 30))), at_least).pixels
    assert (pixels.shape[1], pixels.shape[0]) == decoded
    assert np.abs(pixels.astype(int) - (200, 30, 30)).max() <= 4


def test_cmyk_gives_the_colours_that_were_printed() -> None:
    jpeg = encode(Image.new("RGB", (64, 64), (200, 40, 90)).convert("CMYK"), quality=95)
    assert np.abs(decode_jpeg(jpeg, 64).pixels.astype(int) - (200, 40, 90)).max() <= 6


CAMERA_HABITS = {
    "no JFIF header": assemble([part for marker, part in segments(PLAIN) if marker != APP0]),
    "no Huffman tables": assemble([part for marker, part in segments(PLAIN) if marker != DHT]),
    "frame header before the quantisation tables": assemble(
        sorted(
            (part for _, part in segments(PLAIN)), key=lambda part: (part[1] == SOS, part[1] not in FRAMES)
        )
    ),
    "an MJPEG frame": mjpeg_frame(PLAIN),
    "NULs after the end": PLAIN + bytes(4096),
    "junk after the end": PLAIN + b"\x17\xff\xd8\xff\x00junk\xff" * 20,
    "a second frame after the end": PLAIN + PLAIN,
    "a line end before the start": b"\r\n" + PLAIN,
    "fill bytes before markers": SOI + b"\xff\xff" + PLAIN[2:-2] + b"\xff\xff" + EOI,
    "padding before the end marker": PLAIN[:-2] + b"\x00\x00\x00" + EOI,
    "a comment and unknown application data": SOI
    + b"\xff\xfe\x00\x09webcam\x00"
    + b"\xff\xeb\x00\x06\xff\xd8\xff\xd9"
    + PLAIN[2:],
    "a JFIF version of the future": SOI + b"\xff\xe0\x00\x10JFIF\x00\x09\x09" + bytes(7) + PLAIN[20:],
}


@pytest.mark.parametrize("habit", CAMERA_HABITS)
def test_what_cameras_really_send_decodes_to_the_same_picture(habit: str) -> None:
    expected = decode_jpeg(PLAIN, 240).pixels
    assert np.array_equal(decode_jpeg(CAMERA_HABITS[habit], 240).pixels, expected)


@pytest.mark.parametrize("name", KINDS_OF_JPEG)
def test_a_frame_that_was_cut_off_never_passes(name: str) -> None:
    jpeg = KINDS_OF_JPEG[name]
    for length in np.linspace(1, len(jpeg) - 1, 60, dtype=int):
        with pytest.raises(ImageDecodeError):
            decode_jpeg(jpeg[:length], 240)


@pytest.mark.parametrize("name", KINDS_OF_JPEG)
def test_nor_does_it_with_an_end_marker_put_after_the_cut(name: str) -> None:
    jpeg = KINDS_OF_JPEG[name]
    body = jpeg.index(b"\xff\xda") + 20
    lengths = [*np.linspace(body, len(jpeg) - 40, 40, dtype=int), len(jpeg) - 20, len(jpeg) - 10]
    for length in lengths:
        with pytest.raises(ImageDecodeError):
            decode_jpeg(jpeg[:length].rstrip(b"\xff") + EOI, 240)


@pytest.mark.parametrize("after", [bytes(5000), b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n", PLAIN])
def test_nor_does_it_with_something_else_after_the_cut(after: bytes) -> None:
    with pytest.raises(ImageDecodeError, match="cut off"):
        decode_jpeg(PLAIN[: len(PLAIN) * 2 // 3] + after, 240)


def test_nor_does_a_progressive_frame_whose_last_scans_are_missing() -> None:
    parts = segments(PROGRESSIVE)
    scans = [number for number, (marker, _) in enumerate(parts) if marker == SOS]
    assert len(scans) > 3
    for last in scans[1:]:
        with pytest.raises(ImageDecodeError, match="cut off"):
            decode_jpeg(assemble([part for _, part in parts[:last]]), 240)


@pytest.mark.parametrize("lost", [600, 3000])
def test_nor_does_a_frame_that_lost_a_part_in_the_middle(lost: int) -> None:
    body = PLAIN.index(b"\xff\xda") + 20
    for at in np.linspace(body, len(PLAIN) - lost - 10, 25, dtype=int):
        with pytest.raises(ImageDecodeError):
            decode_jpeg(PLAIN[:at] + PLAIN[at + lost :], 240)


BAD = {
    "nothing": (b"", "empty"),
    "text": (b"hello", "not a JPEG"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG"),
    "HTML": (b"<html>502 Bad Gateway</html>", "HTML"),
    "only SOI": (SOI, "cut off"),
    "no picture": (SOI + EOI, "no picture"),
    "too many bytes": (PLAIN + bytes(MAX_PICTURE_BYTES), "bytes"),
    "a bomb": (claiming(65_000, 65_000), "65000 x 65000"),
    "a long thin bomb": (claiming(65_000, 2), "65000 x 2"),
    "no width": (claiming(0, 480), "0 x 480"),
    "no height": (claiming(640, 0), "640 x 0"),
    "more picture than was sent": (claiming(800, 600), "cut off"),
    "arithmetic coding": (PLAIN.replace(b"\xff\xc0\x00\x11", b"\xff\xc9\x00\x11", 1), "arithmetic"),
    "lossless": (PLAIN.replace(b"\xff\xc0\x00\x11", b"\xff\xc3\x00\x11", 1), "lossless"),
    "12 bits": (PLAIN.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c", 1), "12 bits"),
    "a segment beyond the end": (SOI + b"\xff\xe1\xff\xff" + PLAIN[2:60], "cut off"),
    "rubbish between segments": (PLAIN[:20] + b"rubbish" + PLAIN[20:], "damaged at byte 20"),
    "a million segments": (SOI + b"\xff\xfe\x00\x02" * 1_000_000 + EOI, "segments"),
    "a million fill bytes": (SOI + b"\xff" * 5_000_000, "cut off"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_are_refused_and_the_message_says_why(name: str) -> None:
    data, words = BAD[name]
    with pytest.raises(ImageDecodeError, match=words):
        decode_jpeg(data, 240)


def test_very_many_scans_are_refused_before_they_are_decoded() -> None:
    parts = segments(PROGRESSIVE)
    last = parts[-1][1]
    with pytest.raises(ImageDecodeError, match=f"more than {MAX_SCANS} scans"):
        decode_jpeg(assemble([part for _, part in parts] + [last] * MAX_SCANS), 240)


def test_a_progressive_picture_too_large_to_hold_in_memory_is_refused() -> None:
    jpeg = encode(Image.new("RGB", (5000, 4000)), progressive=True, quality=30)
    with pytest.raises(ImageDecodeError, match="several scans"):
        decode_jpeg(jpeg, 240)


def test_a_refusal_costs_next_to_nothing() -> None:
    began = time.process_time()
    for _ in range(200):
        with pytest.raises(ImageDecodeError):
            decode_jpeg(claiming(65_000, 65_000), 240)
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_told(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert read_header(encode(exif=exif.tobytes())).orientation == orientation


@pytest.mark.parametrize(
    "payload", [b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00" + b"M" * 99]
)
def test_nonsense_for_exif_data_is_ignored(payload: bytes) -> None:
    app1 = b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload
    assert read_header(SOI + app1 + PLAIN[2:]).orientation == 1
