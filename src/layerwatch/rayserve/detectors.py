"""A replica that looks at pictures: one model, whose file can be changed while it works."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from PIL import Image
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from ray import serve

from layerwatch.vision import Detector, ModelError, OnnxDetector, Picture, RawDetection
from layerwatch.vision.batching import BatchReport
from layerwatch.vision.model_files import choose_model
from layerwatch.vision.service import MAX_BATCH

log = structlog.get_logger(__name__)

MAX_PICTURES = 64
"""Upper limit of a batch, whatever the configuration says."""


class Config(BaseModel):
    """`user_config` of the deployment `Detectors` in the Serve file; a change is taken over in place.

    model: path of the ONNX file on every machine of the cluster; empty for the packaged one.
    provider: cpu, cuda, tensorrt, openvino or coreml.  threads: CPU threads of one batch.
    max_batch: pictures in one batch; by default what suits the provider.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    provider: str = "cpu"
    threads: PositiveInt = 1
    max_batch: PositiveInt | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One picture's answer. size: of the pictures that the model takes.

    batch: with the first picture of a batch, the batch; so that each is counted once.
    """

    detection: RawDetection
    size: int
    batch: BatchReport | None


class Detectors:
    """What one replica of the detector does. Ray calls `reconfigure` before the first picture and whenever
    the configuration changes; calls under way meanwhile are answered by the model from before."""

    def __init__(self) -> None:
        self._detector: Detector | None = None

    async def reconfigure(self, given: Mapping[str, Any]) -> None:
        """Make another model active once it has proven to work.

        If it does not, the last one stays, and the log says why: to raise would have Ray end this replica,
        and every other one, for replicas that cannot start. A replica that has none yet raises ModelError, or
        ValidationError for what is not a `Config`; those from before go on meanwhile.
        """
        try:
            config = Config(**given)
            # In a thread: opening and trying a model takes a second, in which calls go on.
            self._detector = await asyncio.to_thread(self._open, config)
        except (ModelError, ValidationError) as error:
            if self._detector is None:
                raise
            log.error("model_refused", why=str(error), still=self._detector.version)
            return
        self.look.set_max_batch_size(min(MAX_PICTURES, config.max_batch or MAX_BATCH[config.provider]))
        log.info("model_in_force", version=self._detector.version)

    def _open(self, config: Config) -> Detector:
        if config.model:
            return OnnxDetector(Path(config.model), config.provider, config.threads)
        return choose_model(config.provider)

    async def size(self) -> int:
        """Side of the pictures that the model takes, pixels."""
        assert self._detector is not None
        return self._detector.size

    # What waits while one batch runs is the next batch; nothing is held back to fill one.
    @serve.batch(max_batch_size=MAX_PICTURES, batch_wait_timeout_s=0.0)  # type: ignore[untyped-decorator]
    async def look(self, pictures: list[Picture]) -> list[Look]:
        """Called with one picture, uint8 [S, S, 3] RGB; Ray makes the batches. Raises as `look_at`."""
        return await self.look_at(pictures)

    async def look_at(self, pictures: Sequence[Picture]) -> list[Look]:
        """Look at a batch. Raises ModelError on non-finite output."""
        detector = self._detector
        assert detector is not None
        found = await asyncio.to_thread(_detect, detector, pictures)
        report = BatchReport(len(pictures), 0.0)
        return [
            Look(replace(one, version=detector.version), detector.size, None if number else report)
            for number, one in enumerate(found)
        ]


def _detect(detector: Detector, pictures: Sequence[Picture]) -> list[RawDetection]:
    return detector.detect([_fit(picture, detector.size) for picture in pictures])


def _fit(picture: Picture, size: int) -> Picture:
    """The picture as large as the model wants it: it may have been made for the model from before."""
    if picture.shape[0] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR))
