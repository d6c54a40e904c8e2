"""The facade: bytes to Evidence, in the caller's thread and across concurrent calls."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from layerwatch.vision import (
    KINDS,
    BatchReport,
    Busy,
    Condition,
    ImageDecodeError,
    ModelError,
    Picture,
    RawDetection,
    Vision,
)
from tests.support.fake_detector import FakeDetector, picture
from tests.support.jpegs import encode, textured
from tests.support.onnx_models import save_model


@pytest.fixture
def detector() -> FakeDetector:
    return FakeDetector()


@pytest.fixture
def vision(detector: FakeDetector) -> Iterator[Vision]:
    with Vision(detector, workers=1, max_batch=8) as vision:
        yield vision
        detector.gate.set()


class WhereIsRed:
    """A test double that sees a failure in every red cell of an 8x8 grid."""

    version, size = "where is red", 64

    def detect(self, images: Sequence[Picture]) -> list[RawDetection]:
        return [self._look(image.astype(np.float32) / 255) for image in images]

    @staticmethod
    def _look(image: np.ndarray) -> RawDetection:
        cells = image[..., 0].reshape(8, 8, 8, 8).mean(axis=(1, 3))
        return RawDetection(float(cells.max()), (float(cells.max()),) + (0.0,) * 7, cells, 1.0)


def with_red_corner(**options: object) -> bytes:
    """640x320, red in the top left: columns 0..1/4, rows 0..1/2."""
    image = Image.new("RGB", (640, 320), (0, 90, 0))
    image.paste((255, 90, 0), (0, 0, 160, 160))
    return encode(image, quality=95, subsampling=0, **options)


@pytest.mark.parametrize("failure", [0.0, 0.25, 0.5, 0.9])
def test_evidence_carries_what_the_detector_saw(vision: Vision, failure: float) -> None:
    evidence = vision.inspect(picture(failure))
    assert evidence.failure_probability == pytest.approx(failure, abs=0.02)
    assert dict(zip(KINDS, evidence.kinds, strict=True))["spaghetti"] == evidence.failure_probability
    assert evidence.print_in_view > 0.9
    assert evidence.model_version == "fake"
    assert evidence.condition is Condition.OK
    assert len(evidence.thumbnail) == 32 * 24
    assert evidence.milliseconds > 0


def test_boxes_and_heat_lie_where_the_failure_is() -> None:
    with Vision(WhereIsRed()) as vision:
        evidence = vision.inspect(with_red_corner())
    (box,) = evidence.boxes
    assert (box.left, box.top, box.width, box.height) == (0, 0, 0.25, 0.5)
    heat = np.frombuffer(evidence.heat.cells, np.uint8).reshape(evidence.heat.rows, evidence.heat.columns)
    assert heat[:4, :2].min() > 200
    assert heat[5:, 3:].max() < 50


@pytest.mark.parametrize(
    ("orientation", "place"),
    [
        (2, (0.75, 0, 0.25, 0.5)),
        (3, (0.75, 0.5, 0.25, 0.5)),
        (4, (0, 0.5, 0.25, 0.5)),
        (5, (0, 0, 0.5, 0.25)),
        (6, (0.5, 0, 0.5, 0.25)),
        (7, (0.5, 0.75, 0.5, 0.25)),
        (8, (0, 0.75, 0.5, 0.25)),
    ],
)
def test_a_picture_is_looked_at_as_its_exif_orientation_shows_it(
    orientation: int, place: tuple[float, ...]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Vision(WhereIsRed()) as vision:
        (box,) = vision.inspect(with_red_corner(exif=exif.tobytes())).boxes
    assert (box.left, box.top, box.width, box.height) == place


def test_bytes_that_are_no_jpeg_are_an_error_of_the_sender(vision: Vision) -> None:
    with pytest.raises(ImageDecodeError, match="not a JPEG"):
        vision.inspect(b"no picture")


async def test_the_asynchronous_way_sees_the_same(vision: Vision) -> None:
    jpeg = picture(0.4)
    there, here = await vision.ainspect(jpeg), vision.inspect(jpeg)
    assert there.failure_probability == here.failure_probability
    assert (there.boxes, there.heat, there.thumbnail) == (here.boxes, here.heat, here.thumbnail)


async def test_bad_bytes_reach_the_caller_and_no_one_else(vision: Vision) -> None:
    good, bad = await asyncio.gather(
        vision.ainspect(picture(0.3)), vision.ainspect(b"no picture"), return_exceptions=True
    )
    assert isinstance(bad, ImageDecodeError)
    assert not isinstance(good, BaseException)
    assert good.failure_probability == pytest.approx(0.3, abs=0.02)


async def until(condition: object) -> None:
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


async def test_concurrent_calls_share_a_batch(vision: Vision, detector: FakeDetector) -> None:
    detector.gate.clear()
    calls = [asyncio.create_task(vision.ainspect(picture(0.1)))]
    await until(lambda: detector.batches == [1])
    calls += [asyncio.create_task(vision.ainspect(picture(n / 10))) for n in (2, 3, 4)]
    await until(lambda: vision.waiting == 3)
    detector.gate.set()
    found = await asyncio.gather(*calls)
    assert [round(one.failure_probability, 1) for one in found] == [0.1, 0.2, 0.3, 0.4]
    assert detector.batches == [1, 3]


async def test_a_call_whose_deadline_passed_is_busy(vision: Vision) -> None:
    with pytest.raises(Busy, match="in time"):
        await vision.ainspect(picture(0.1), deadline=time.monotonic() - 1)


async def test_a_caller_that_gave_up_is_not_looked_at(vision: Vision, detector: FakeDetector) -> None:
    detector.gate.clear()
    running = asyncio.create_task(vision.ainspect(picture(0.1)))
    await until(lambda: detector.batches == [1])
    gone = asyncio.create_task(vision.ainspect(picture(0.2)))
    await until(lambda: vision.waiting == 1)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    detector.gate.set()
    await running
    await vision.ainspect(picture(0.3))
    assert detector.batches == [1, 1]


async def test_the_event_loop_stays_free_while_pictures_are_looked_at(detector: FakeDetector) -> None:
    detector.gate.clear()
    with Vision(detector, workers=1) as vision:
        call = asyncio.create_task(vision.ainspect(picture(0.1)))
        await until(lambda: detector.batches == [1])
        detector.gate.set()  # reached only because the loop was not blocked by the call above
        await call


async def test_batches_are_reported(detector: FakeDetector) -> None:
    reports: list[BatchReport] = []
    with Vision(detector, on_batch=reports.append) as vision:
        await vision.ainspect(picture(0.1))
    assert [report.size for report in reports] == [1]


async def test_after_close_it_is_busy_and_leaves_no_threads(detector: FakeDetector) -> None:
    before = set(threading.enumerate())
    vision = Vision(detector, decoders=2, workers=3)
    await vision.ainspect(picture(0.1))
    vision.close()
    vision.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(Busy):
        await vision.ainspect(picture(0.1))


async def test_it_runs_a_detector_file_from_bytes_to_evidence(tmp_path: Path) -> None:
    with Vision.load(save_model(tmp_path / "tiny.onnx"), threads=2) as vision:
        jpegs = [encode(textured(320, 240, seed)) for seed in range(6)]
        alone = [vision.inspect(jpeg) for jpeg in jpegs]
        together = await asyncio.gather(*map(vision.ainspect, jpegs))
    assert vision.model_version == "stand-in"
    for one, other in zip(alone, together, strict=True):
        assert one.failure_probability == pytest.approx(other.failure_probability, abs=1e-5)


def test_a_provider_s_name_may_be_written_in_capitals(tmp_path: Path) -> None:
    with Vision.load(save_model(tmp_path / "tiny.onnx"), provider="CPU") as vision:
        assert vision.inspect(encode(textured(320, 240))).model_version == "stand-in"


def test_a_model_that_cannot_be_used_is_an_error_of_the_operator(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        Vision.load(tmp_path / "missing.onnx")


class TestOverlay:
    def drawn(self, jpeg: bytes, orientation: int = 1) -> tuple[Image.Image, bytes]:
        with Vision(WhereIsRed()) as vision:
            out = vision.overlay(jpeg, vision.inspect(jpeg))
        return Image.open(io.BytesIO(out)).convert("RGB"), out

    def test_it_colours_the_failing_place_and_leaves_the_rest(self) -> None:
        image, _ = self.drawn(with_red_corner())
        assert image.size == (640, 320)
        plain = np.asarray(Image.open(io.BytesIO(with_red_corner())).convert("RGB"), dtype=int)
        change = np.abs(np.asarray(image, dtype=int) - plain).mean(axis=2)
        assert change[60:100, 40:120].mean() > 15
        assert change[100:250, 400:].mean() < 4

    def test_it_is_oriented_as_the_picture_is_shown(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        image, _ = self.drawn(with_red_corner(exif=exif.tobytes()))
        assert image.size == (320, 640)

    def test_a_large_picture_is_drawn_smaller(self) -> None:
        image, _ = self.drawn(encode(Image.new("RGB", (4000, 3000), (250, 0, 0))))
        assert image.size == (960, 720)

    @pytest.mark.parametrize("size", [(16, 16), (1, 1), (640, 9)])
    def test_the_smallest_pictures_do_not_break_it(self, size: tuple[int, int]) -> None:
        image, _ = self.drawn(encode(Image.new("RGB", size, (250, 0, 0))))
        assert image.size == size

    def test_bad_bytes_are_an_error(self, vision: Vision) -> None:
        evidence = vision.inspect(picture(0.9))
        with pytest.raises(ImageDecodeError):
            vision.overlay(b"no picture", evidence)
