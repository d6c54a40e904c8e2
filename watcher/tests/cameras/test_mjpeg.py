"""Whatever the wrapping does, the frames come out whole, in order, and nothing else does."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from layerwatch_watcher.cameras import jpeg as jpeg_format
from layerwatch_watcher.cameras.mjpeg import MjpegParser

MakeJpeg = Callable[..., bytes]


def small(shade: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((32, 24), 40).point(lambda value: (value + shade) % 256).save(out, "JPEG")
    return out.getvalue()


FRAMES = [small(10), small(120), small(220)]
LAST = small(60)


def parts(frames: list[bytes], head: str) -> bytes:
    return b"".join(head.format(n=len(frame)).encode() + frame + b"\r\n" for frame in frames)


WRAPPINGS = {
    "proper": "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {n}\r\n\r\n",
    "no length": "--frame\r\nContent-Type: image/jpeg\r\n\r\n",
    "wrong length": "--frame\r\nContent-Length: 7\r\n\r\n",
    "a boundary that was not announced": "--other--\nContent-type:image/jpeg\n\n",
    "no wrapping at all": "",
}


@pytest.mark.parametrize("head", WRAPPINGS.values(), ids=WRAPPINGS.keys())
def test_frames_come_out_of_every_wrapping(head: str, jpeg: MakeJpeg) -> None:
    frames = [jpeg(10), jpeg(100, thumbnail=True), jpeg(200)]
    assert MjpegParser().feed(parts(frames, head)) == frames


def test_a_thumbnail_inside_a_frame_does_not_end_it(jpeg: MakeJpeg) -> None:
    frame = jpeg(50, thumbnail=True)
    assert frame.count(b"\xff\xd9") >= 2
    assert MjpegParser().feed(frame) == [frame]


def test_a_frame_cut_off_by_the_next_is_dropped_and_the_next_survives(jpeg: MakeJpeg) -> None:
    first, second = jpeg(10), jpeg(20)
    parser = MjpegParser()
    assert parser.feed(first[: len(first) * 2 // 3] + b"\r\n--frame\r\n\r\n" + second) == [second]
    assert parser.dropped >= 1


def test_a_frame_cut_inside_its_header_does_not_take_the_next_with_it(jpeg: MakeJpeg) -> None:
    first, second, third = jpeg(10), jpeg(20), jpeg(30)
    assert third in MjpegParser().feed(first[:100] + second + third)


def test_noise_alone_costs_no_memory() -> None:
    parser, noise = MjpegParser(), b"\x12\xff\x34" * 5000
    tracemalloc.start()
    try:
        for _ in range(100):
            assert parser.feed(noise) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * len(noise)


def test_a_frame_that_never_ends_is_given_up(jpeg: MakeJpeg) -> None:
    frame = jpeg(10)
    parser = MjpegParser(max_frame_bytes=100_000)
    parser.feed(frame[:-2])
    for _ in range(30):
        parser.feed(b"\x11" * 10_000)
    assert parser.dropped == 1
    assert parser.feed(frame) == [frame]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_how_the_bytes_arrive_makes_no_difference(data: st.DataObject) -> None:
    frames = FRAMES
    stream = parts(frames, WRAPPINGS["proper"])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=40)))
    parser = MjpegParser()
    out: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)]):
        out += parser.feed(stream[start:end])
    assert out == frames


@given(junk=st.binary(max_size=3000), at=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_bytes_of_any_kind_never_raise_and_what_comes_out_is_whole(junk: bytes, at: int) -> None:
    stream = parts(FRAMES, WRAPPINGS["no length"])
    at = min(at, len(stream))
    out = MjpegParser(max_frame_bytes=50_000).feed(stream[:at] + junk + LAST * 100)
    assert all(jpeg_format.is_whole(frame) for frame in out)
    assert out[-1] == LAST  # what damage swallows ends with a segment, 64 KB at most
