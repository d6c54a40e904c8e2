"""Random damage: every picture decodes or is refused, in bounded time, and nothing else is ever raised."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from layerwatch.vision.errors import ImageDecodeError
from layerwatch.vision.jpeg.decoder import decode_jpeg
from tests.support.jpegs import encode, mjpeg_frame, textured

SMALL = textured(96, 64)
SEEDS = (
    encode(SMALL, quality=80),
    encode(SMALL, quality=80, progressive=True),
    encode(SMALL, quality=80, restart_marker_blocks=3),
    encode(SMALL.convert("L")),
    encode(SMALL.convert("CMYK")),
    mjpeg_frame(encode(SMALL, quality=80)),
)


def decodes_or_is_refused(data: bytes) -> None:
    began = time.process_time()
    try:
        pixels = decode_jpeg(data, 32).pixels
    except ImageDecodeError as error:
        assert str(error)
    else:
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
    assert time.process_time() - began < 3.0


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12),
    header_only=st.booleans(),
)
def test_changed_bytes(seed: bytes, changes: list[tuple[float, int]], header_only: bool) -> None:
    data = bytearray(seed)
    reach = data.index(b"\xff\xda") + 14 if header_only else len(data)
    for place, value in changes:
        data[min(int(place * reach), reach - 1)] = value
    decodes_or_is_refused(bytes(data))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    start=st.floats(0, 1),
    length=st.integers(0, 400),
    piece=st.binary(max_size=300),
)
def test_replaced_pieces(seed: bytes, start: float, length: int, piece: bytes) -> None:
    at = int(start * len(seed))
    decodes_or_is_refused(seed[:at] + piece + seed[at + length :])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600))
def test_arbitrary_bytes_after_a_start_marker(tail: bytes) -> None:
    decodes_or_is_refused(b"\xff\xd8" + tail)


def test_a_result_does_not_depend_on_what_was_decoded_before() -> None:
    expected = decode_jpeg(SEEDS[0], 32).pixels
    for seed in SEEDS:
        decodes_or_is_refused(seed[: len(seed) // 2])
        assert np.array_equal(decode_jpeg(SEEDS[0], 32).pixels, expected)
