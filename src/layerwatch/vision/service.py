"""`Vision`: bytes of a JPEG to `Evidence`."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from layerwatch.core.cores import usable_cores
from layerwatch.telemetry import tracing
from layerwatch.vision.batching import Batcher, BatchReport, step_back
from layerwatch.vision.camera_kind import camera_kind
from layerwatch.vision.detector import Detector, OnnxDetector, Picture, RawDetection
from layerwatch.vision.errors import Busy
from layerwatch.vision.evidence import Evidence
from layerwatch.vision.image_quality import Measures, judge, measure
from layerwatch.vision.jpeg.decoder import decode_jpeg, turn_upright
from layerwatch.vision.model_files import choose_model
from layerwatch.vision.overlay import draw_overlay
from layerwatch.vision.regions import find_boxes, heat_map

MAX_BATCH = {"cpu": 2, "openvino": 4, "coreml": 8, "cuda": 32, "tensorrt": 32}
"""Pictures in one call of the detector, by provider. A CPU gains little or nothing from larger batches, and
memory grows with them: 9.7, 9.0 and 9.2 ms a picture were measured in batches of 1, 2 and 4 for an int8
network of this size, 20.5, 21.4 and 21.4 ms for fp32."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A decoded picture on its way to the detector. began: seconds on the monotonic clock.
    place: where its inspection is in a trace."""

    picture: Picture
    measures: Measures
    camera_kind: str
    began: float
    place: Any


class Vision:
    """Looks at pictures. Safe to use from many threads and from one event loop at the same time.

    `inspect` does everything in the caller's thread. `ainspect` decodes in a small thread pool and batches
    the detector's work across the calls under way; both release the GIL, so one process uses all cores.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        decoders: int | None = None,
        workers: int | None = None,
        max_batch: int = MAX_BATCH["cpu"],
        on_batch: Callable[[BatchReport], None] | None = None,
    ) -> None:
        """detector: what looks at the pictures.  decoders, workers: threads that decode and threads that
        call the detector, by default one for each core.  max_batch: pictures in one call of
        the detector.  on_batch: see `Batcher`.
        """
        self._detector = detector
        self._closed = False
        self._decoders = ThreadPoolExecutor(
            decoders or usable_cores(), thread_name_prefix="layerwatch-decode", initializer=step_back
        )
        self._batcher: Batcher[_Prepared, Evidence] = Batcher(
            self._look,
            workers=workers or usable_cores(),
            max_batch=max_batch,
            on_batch=on_batch,
        )

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        provider: str = "cpu",
        threads: int | None = None,
        on_batch: Callable[[BatchReport], None] | None = None,
    ) -> Vision:
        """Open a detector file, by default the one in this package.

        provider: cpu, cuda, tensorrt, openvino or coreml.  threads: CPU threads in all, by default one for
        each core. Raises ModelError when the file or the provider cannot be used.
        """
        provider = provider.lower()
        detector = OnnxDetector(path, provider) if path else choose_model(provider)
        threads = threads or usable_cores()
        return cls(
            detector,
            decoders=threads,
            workers=threads if provider == "cpu" else 1,
            max_batch=MAX_BATCH[provider],
            on_batch=on_batch,
        )

    @property
    def model_version(self) -> str:
        """The detector's version, as in `Evidence.model_version`."""
        return self._detector.version

    @property
    def waiting(self) -> int:
        """Decoded pictures that wait for the detector now."""
        return self._batcher.waiting

    def inspect(self, jpeg: bytes) -> Evidence:
        """Look at one JPEG in the caller's thread.

        Raises ImageDecodeError when the bytes are not one whole, decodable JPEG.
        """
        return self._look([self._prepare(jpeg)])[0]

    async def ainspect(self, jpeg: bytes, deadline: float | None = None) -> Evidence:
        """Look at one JPEG without holding up the event loop.

        deadline: time on the monotonic clock by which the detector must have begun. Raises ImageDecodeError
        as `inspect` does, and Busy when the deadline passes. How many calls are under way is for the caller
        to bound (`pacing.Admission`).
        """
        if self._closed:
            raise Busy("The detector is shutting down.")
        latest = float("inf") if deadline is None else deadline
        found: Future[Evidence] = Future()
        context = contextvars.copy_context()
        self._decoders.submit(context.run, self._prepare_and_queue, jpeg, latest, found)
        return await asyncio.wrap_future(found)

    def overlay(self, jpeg: bytes, evidence: Evidence) -> bytes:
        """The picture as a JPEG, with its evidence's heat map and boxes drawn over it.

        Raises ImageDecodeError as `inspect` does.
        """
        return draw_overlay(jpeg, evidence)

    def close(self) -> None:
        """Finish what runs, fail what waits with Busy, end the threads. May be called twice."""
        self._closed = True
        self._decoders.shutdown(wait=True)
        self._batcher.close()

    def __enter__(self) -> Vision:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare_and_queue(self, jpeg: bytes, latest: float, found: Future[Evidence]) -> None:
        """From thread to thread: the event loop hears of a picture once, when `found` is there."""
        try:
            if not found.cancelled():
                self._batcher.submit(self._prepare(jpeg, latest), latest, found)
        except BaseException as error:  # the caller gets it, whatever it is
            with suppress(InvalidStateError):  # nobody waits for it any more
                found.set_exception(error)

    def _prepare(self, jpeg: bytes, deadline: float = float("inf")) -> _Prepared:
        began = time.monotonic()
        if self._closed:
            raise Busy("The detector is shutting down.")
        if began > deadline:
            raise Busy("The server did not get to the picture in time.")
        place = tracing.here()
        with tracing.span("decode", bytes=len(jpeg)):
            size = self._detector.size
            decoded = decode_jpeg(jpeg, at_least=size)
            image = Image.fromarray(decoded.pixels).resize((size, size), Image.Resampling.BILINEAR)
            image = turn_upright(image, decoded.orientation)  # stretching to a square and turning commute
            kind = camera_kind(decoded.pixels, decoded.width)
            return _Prepared(np.asarray(image), measure(image), kind, began, place)

    def _look(self, prepared: Sequence[_Prepared]) -> list[Evidence]:
        began, started = time.time_ns(), time.monotonic()
        raws = self._detector.detect([one.picture for one in prepared])
        took = (time.monotonic() - started) * 1000.0 / len(prepared)
        for one, raw in zip(prepared, raws, strict=True):
            version = raw.version or self._detector.version
            tracing.record("detect", one.place, began, batch=len(prepared), model=version)
        return [self._evidence(one, raw, took) for one, raw in zip(prepared, raws, strict=True)]

    def _evidence(self, prepared: _Prepared, raw: RawDetection, took: float) -> Evidence:
        return Evidence(
            failure_probability=raw.failure,
            kinds=raw.kinds,
            heat=heat_map(raw.map),
            boxes=find_boxes(raw.map, raw.kinds, raw.failure),
            print_in_view=raw.in_view,
            condition=judge(prepared.measures, raw.in_view),
            brightness=prepared.measures.brightness,
            sharpness=prepared.measures.sharpness,
            thumbnail=prepared.measures.thumbnail,
            model_version=raw.version or self._detector.version,
            milliseconds=(time.monotonic() - prepared.began) * 1000.0,
            detector_ms=took,
            camera_kind=prepared.camera_kind,
        )
