"""The detector's replica and its stand-in at the API, without a cluster; needs layerwatch[ray].

That the whole works is shown by `pytest tests/contract --served ray`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

pytest.importorskip("ray", reason="needs layerwatch[ray]")

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError

from layerwatch.learning.rollout.plan import PACKAGED
from layerwatch.rayserve.detectors import Ask, Config, Detectors, ReplicaAnswer
from layerwatch.rayserve.remote import MAX_ATTEMPTS, RemoteDetector
from layerwatch.vision import Busy, Detector, ModelError, RawDetection
from layerwatch.vision.batching import BatchReport
from tests.support.fake_detector import FakeDetector

PICTURE = np.full((64, 64, 3), 127, np.uint8)


class Models(Detectors):
    """Opens doubles: a model's name is the side of its pictures; a name without digits opens none. The
    packaged one's is 64. opened: the names, one after the other."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self.opened: list[str] = []

    def _open(self, name: str, config: Config) -> Detector:
        self.opened.append(name)
        side = "64" if name == PACKAGED else name
        if not side.isdecimal():
            raise ModelError("this is no model")
        made = FakeDetector(int(side))
        made.version = side  # type: ignore[misc]
        return made


@pytest.fixture
def replica(tmp_path: Path) -> Models:
    made = Models({"data_dir": str(tmp_path)})
    asyncio.run(made.reconfigure({}))
    return made


def look(replica: Detectors, *models: str) -> list[ReplicaAnswer]:
    return asyncio.run(replica.look_at([Ask(model, PICTURE) for model in models]))


def test_each_answer_names_its_model_and_the_batch_is_counted_once(replica: Models) -> None:
    looks = look(replica, PACKAGED, PACKAGED)
    assert [one.detection.version for one in looks] == ["64", "64"]
    assert [one.batch.size for one in looks if one.batch is not None] == [2]


def test_a_batch_may_ask_for_several_models(replica: Models) -> None:
    looks = look(replica, "96", PACKAGED, "96")
    assert [one.detection.version for one in looks] == ["96", "64", "96"]
    assert [one.size for one in looks] == [96, 64, 96]
    assert [one.batch.size for one in looks if one.batch is not None] == [2, 1]


def test_what_is_no_model_is_refused_and_the_others_go_on(replica: Models) -> None:
    with pytest.raises(ModelError, match="no model"):
        look(replica, "broken")
    assert look(replica, PACKAGED)[0].detection.version == "64"


def test_unused_models_are_dropped(replica: Models) -> None:
    for number in range(65, 75):
        look(replica, str(number))
    look(replica, "65", PACKAGED)
    assert replica.opened.count("65") == 2
    assert replica.opened.count(PACKAGED) == 1


@pytest.mark.parametrize("wrong", [{"modell": "64"}, {"threads": 0}])
def test_a_wrong_configuration_leaves_the_last_one(replica: Models, wrong: dict[str, Any]) -> None:
    asyncio.run(replica.reconfigure(wrong))
    assert look(replica, PACKAGED)[0].detection.version == "64"


def test_a_replica_without_a_configuration_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        asyncio.run(Models({"data_dir": str(tmp_path)}).reconfigure({"threads": 0}))


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


def seen(version: str, batch: BatchReport | None = None) -> ReplicaAnswer:
    detection = RawDetection(0.5, (0.0,) * 8, np.zeros((2, 2), np.float32), 1.0, version)
    return ReplicaAnswer(detection, 64, batch)


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
