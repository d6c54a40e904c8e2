"""A replica that looks at pictures, each with the model that it is asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog
from PIL import Image
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from ray import serve

from layerwatch.config import load
from layerwatch.learning.errors import LearningError
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.learning.rollout.plan import MAX_LOADED, PACKAGED
from layerwatch.storage import StorageError, open_objects
from layerwatch.vision import Detector, ModelError, OnnxDetector, Picture, RawDetection
from layerwatch.vision.batching import BatchReport
from layerwatch.vision.model_files import choose_model
from layerwatch.vision.service import MAX_BATCH

log = structlog.get_logger(__name__)

MAX_BATCH_SIZE = 64
"""Upper limit of a batch, whatever the configuration says."""


class Config(BaseModel):
    """`user_config` of the deployment `Detectors` in the Serve file; a change is taken over in place.

    Which models there are is not said here: `layerwatch models` says it, as on any other installation.
    provider: cpu, cuda, tensorrt, openvino or coreml.  threads: CPU threads of one batch.
    max_batch: pictures in one batch; by default what suits the provider.
    """

    model_config = ConfigDict(extra="forbid")

    provider: str = "cpu"
    threads: PositiveInt = 1
    max_batch: PositiveInt | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A picture, uint8 [S, S, 3] RGB, and the model that is to look at it: a SHA-256 or `packaged`."""

    model: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class ReplicaAnswer:
    """One picture's answer. size: of the pictures that the model takes.

    batch: with the first picture of a batch, the batch; so that each is counted once.
    """

    detection: RawDetection
    size: int
    batch: BatchReport | None


class Detectors:
    """What one replica of the detector does. Ray calls `reconfigure` before the first picture and whenever
    the configuration changes. A model is opened when it is first asked for.

    settings: of the server, for the object store and the folder of models.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = load(**settings)
        self._config = Config()
        self._models: dict[str, Detector] = {}
        self._opening = threading.Lock()

    async def reconfigure(self, given: Mapping[str, Any]) -> None:
        """Take a configuration over. What is none leaves the last one, and the log says why: to raise would
        have Ray end this replica, and every other one, for replicas that cannot start. A replica that has no
        model yet raises ValidationError, or ModelError when the packaged model cannot be run.
        """
        try:
            config = Config(**given)
            # In a thread: opening and trying a model takes a second, in which calls go on.
            packaged = await asyncio.to_thread(self._open, PACKAGED, config)
        except (ModelError, ValidationError) as error:
            if not self._models:
                raise
            log.error("configuration_refused", why=str(error))
            return
        self._config, self._models = config, {PACKAGED: packaged}
        self.look.set_max_batch_size(min(MAX_BATCH_SIZE, config.max_batch or MAX_BATCH[config.provider]))

    async def describe(self, model: str) -> tuple[int, str]:
        """Side of the pictures that a model takes, pixels, and its version.

        Raises ModelError when it cannot be opened.
        """
        detector = await asyncio.to_thread(self._model, model)
        return detector.size, detector.version

    # What waits while one batch runs is the next batch; nothing is held back to fill one.
    @serve.batch(max_batch_size=MAX_BATCH_SIZE, batch_wait_timeout_s=0.0)  # type: ignore[untyped-decorator]
    async def look(self, asked: list[Ask]) -> list[ReplicaAnswer]:
        """Called with one picture; Ray makes the batches. Raises as `look_at`."""
        return await self.look_at(asked)

    async def look_at(self, asked: Sequence[Ask]) -> list[ReplicaAnswer]:
        """Look at a batch, the pictures of each model together.

        Raises ModelError when a model cannot be opened or gives non-finite output.
        """
        found: dict[int, ReplicaAnswer] = {}
        for model in dict.fromkeys(ask.model for ask in asked):
            places = [place for place, ask in enumerate(asked) if ask.model == model]
            detector = await asyncio.to_thread(self._model, model)
            detections = await asyncio.to_thread(
                _detect, detector, [asked[place].picture for place in places]
            )
            report = BatchReport(len(places), 0.0)
            for number, (place, one) in enumerate(zip(places, detections, strict=True)):
                found[place] = ReplicaAnswer(
                    replace(one, version=detector.version), detector.size, None if number else report
                )
        return [found[place] for place in range(len(asked))]

    def _model(self, name: str) -> Detector:
        with self._opening:
            if name not in self._models:
                self._models[name] = self._open(name, self._config)
                for oldest in list(self._models)[1:-MAX_LOADED]:  # the packaged one is always the first
                    del self._models[oldest]
            return self._models[name]

    def _open(self, name: str, config: Config) -> Detector:
        if name == PACKAGED:
            return choose_model(config.provider)
        settings = self._settings
        store = ModelStore(
            open_objects(settings.objects, settings.data_dir / "objects"), settings.data_dir / "models"
        )
        try:
            return OnnxDetector(store.path(name), config.provider, config.threads)
        except (LearningError, StorageError) as error:
            raise ModelError(str(error)) from error


def _detect(detector: Detector, pictures: Sequence[Picture]) -> list[RawDetection]:
    return detector.detect([_fit(picture, detector.size) for picture in pictures])


def _fit(picture: Picture, size: int) -> Picture:
    """The picture as large as the model wants it: it may have been made for the model from before."""
    if picture.shape[0] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR))
