"""The detector's replica and its stand-in at the API, without a cluster; needs layerwatch[ray].

That the whole works is shown by `pytest tests/contract --served ray`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs layerwatch[ray]")

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError

from layerwatch.rayserve.detectors import Config, Detectors, Look
from layerwatch.rayserve.remote import MAX_ATTEMPTS, RemoteDetector
from layerwatch.vision import Busy, Detector, ModelError, RawDetection
from layerwatch.vision.batching import BatchReport
from tests.support.fake_detector import FakeDetector

PICTURE = np.full((64, 64, 3), 127, np.uint8)


class Models(Detectors):
    """Opens doubles: `model` is the side of their pictures; anything but a number is an invalid model."""

    def _open(self, config: Config) -> Detector:
        if not config.model.isdecimal():
            raise ModelError("this is no model")
        made = FakeDetector(int(config.model))
        made.version = config.model  # type: ignore[misc]
        return made


def look(replica: Detectors, *pictures: Any) -> list[Look]:
    return asyncio.run(replica.look_at(pictures))


def configured(*models: str) -> Models:
    replica = Models()
    for model in models:
        asyncio.run(replica.reconfigure({"model": model}))
    return replica


def test_each_answer_names_its_model_and_the_batch_is_told_once() -> None:
    looks = look(configured("64"), PICTURE, PICTURE)
    assert [one.detection.version for one in looks] == ["64", "64"]
    reports = [one.batch for one in looks if one.batch is not None]
    assert [report.size for report in reports] == [2]


def test_another_model_is_in_force_after_a_change() -> None:
    (one,) = look(configured("64", "96"), PICTURE)  # made for the model from before
    assert (one.detection.version, one.size) == ("96", 96)


@pytest.mark.parametrize("wrong", [{"model": "broken"}, {"modell": "64"}, {"threads": 0}])
def test_what_is_no_model_leaves_the_last_one_in_force(wrong: dict[str, Any]) -> None:
    replica = configured("64")
    asyncio.run(replica.reconfigure(wrong))
    (one,) = look(replica, PICTURE)
    assert one.detection.version == "64"


def test_a_replica_without_a_model_does_not_start() -> None:
    with pytest.raises(ModelError, match="no model"):
        configured("broken")


class Answer:
    """What a handle gives back: an answer, or an error."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def result(self, timeout_s: float) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


class Handle:
    """A deployment handle of which the test chooses the answers, one after the other."""

    def __init__(self, outcomes: Sequence[Any]) -> None:
        self.outcomes = list(outcomes)
        self.asked = 0

    @property
    def look(self) -> Any:
        return self

    def remote(self, picture: Any) -> Answer:
        self.asked += 1
        return Answer(self.outcomes.pop(0))


def seen(version: str, batch: BatchReport | None = None) -> Look:
    detection = RawDetection(0.5, (0.0,) * 8, np.zeros((2, 2), np.float32), 1.0, version)
    return Look(detection, 64, batch)


def test_a_replica_that_dies_over_a_picture_costs_another_look() -> None:
    handle = Handle([RayActorError(), seen("64")])
    remote = RemoteDetector(handle, lambda report: None)  # type: ignore[arg-type]
    assert [one.version for one in remote.detect([PICTURE])] == ["64"]
    assert (handle.asked, remote.version) == (2, "64")


def test_replicas_that_keep_dying_are_an_error() -> None:
    handle = Handle([RayActorError()] * MAX_ATTEMPTS)
    with pytest.raises(RayActorError):
        RemoteDetector(handle, lambda report: None).detect([PICTURE])  # type: ignore[arg-type]


@pytest.mark.parametrize("late", [TimeoutError(), BackPressureError(1, 1)])
def test_what_comes_too_late_is_refused_as_busy(late: Exception) -> None:
    with pytest.raises(Busy):
        RemoteDetector(Handle([late]), lambda report: None).detect([PICTURE])  # type: ignore[arg-type]


def test_what_the_model_says_is_wrong_with_it_is_said_here() -> None:
    failed = RayTaskError("look", "", ModelError("values outside 0..1"))
    with pytest.raises(ModelError, match="outside"):
        RemoteDetector(Handle([failed]), lambda report: None).detect([PICTURE])  # type: ignore[arg-type]


def test_batches_are_reported_where_they_began() -> None:
    reports: list[BatchReport] = []
    report = BatchReport(2, 0.0)
    handle = Handle([seen("64", report), seen("64")])
    RemoteDetector(handle, reports.append).detect([PICTURE, PICTURE])  # type: ignore[arg-type]
    assert reports == [report]
