"""The detector as the API's replicas see it: a `layerwatch.vision.Detector` whose work is done elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from layerwatch.learning.rollout.plan import PACKAGED
from layerwatch.rayserve.detectors import Ask, ReplicaAnswer
from layerwatch.vision import Busy, ModelError, Picture, RawDetection
from layerwatch.vision.batching import BatchReport

DETECT_TIMEOUT_S = 10.0
"""Seconds for one picture. Admission refuses pictures that would wait longer than 5 s."""

START_TIMEOUT_S = 120.0
"""Seconds within which the first replica must be ready."""

MAX_ATTEMPTS = 3
"""How many replicas may die during one picture. Detection can be repeated: it changes nothing."""


class RemoteDetector:
    """Sends each picture to a replica of `Detectors`. Ray's batches are made there, from every API replica's
    pictures. For threads, not for an event loop. on_batch: called for each batch that began with a picture of
    this process. model: its SHA-256, or `packaged`."""

    def __init__(
        self, handle: DeploymentHandle[Any], on_batch: Callable[[BatchReport], None], model: str = PACKAGED
    ) -> None:
        self._handle = handle
        self._model = model
        self._on_batch = on_batch
        self._size: int | None = None
        self._version = "not known yet"

    @property
    def size(self) -> int:
        """Side of the pictures to send, pixels. Asks a replica the first time."""
        if self._size is None:
            self.check()
        assert self._size is not None
        return self._size

    def check(self) -> None:
        """Have a replica open the model. Raises ModelError when it cannot."""
        try:
            size, version = self._handle.describe.remote(self._model).result(timeout_s=START_TIMEOUT_S)
        except RayTaskError as failed:
            if isinstance(failed.cause, ModelError):
                raise ModelError(str(failed.cause)) from failed
            raise
        self._size, self._version = int(size), str(version)

    @property
    def version(self) -> str:
        """Of the model that looked last; while a change goes on, replicas may differ."""
        return self._version

    def detect(self, images: Sequence[Picture]) -> list[RawDetection]:
        """Detect failures in pictures. Raises Busy when no replica is free, ModelError as the model does."""
        asked = [self._handle.look.remote(Ask(self._model, image)) for image in images]
        return [self._take(answer, image) for answer, image in zip(asked, images, strict=True)]

    def _take(self, answer: Any, image: Picture) -> RawDetection:
        for left in reversed(range(MAX_ATTEMPTS)):
            try:
                look: ReplicaAnswer = answer.result(timeout_s=DETECT_TIMEOUT_S)
            except RayActorError:
                if not left:
                    raise
                answer = self._handle.look.remote(Ask(self._model, image))
                continue
            except (TimeoutError, BackPressureError) as late:
                raise Busy("No detector got to the picture in time.") from late
            except RayTaskError as failed:
                if isinstance(failed.cause, ModelError):
                    raise ModelError(str(failed.cause)) from failed
                raise
            self._size, self._version = look.size, look.detection.version or self._version
            if look.batch is not None:
                self._on_batch(look.batch)
            return look.detection
        raise AssertionError("unreachable")
