"""The models of a running server, changed without a lost call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from layerwatch.learning.errors import LearningError
from layerwatch.learning.rollout.comparison import MAX_ERRORS
from layerwatch.learning.rollout.live_models import LiveModels
from layerwatch.learning.rollout.plan import PROBATION, RolloutPlan, RolloutStage, RolloutStep
from layerwatch.vision import Vision
from layerwatch.vision.errors import ImageDecodeError, ModelError
from layerwatch.vision.evidence import Evidence
from tests.support.fake_detector import FakeDetector, picture

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JPEG = picture(0.2)


class Named(FakeDetector):
    """A double with a name. broken: it fails on every picture."""

    def __init__(self, name: str, *, broken: bool = False) -> None:
        super().__init__()
        self.version = name  # type: ignore[misc]
        self.broken = broken

    def detect(self, images):  # type: ignore[no-untyped-def]
        if self.broken:
            raise ModelError("values outside 0..1")
        return super().detect(images)


class Machine:
    """A server's models, with doubles in place of files. `closed`: names of models that were closed."""

    def __init__(self) -> None:
        self.now = NOON
        self.broken: set[str] = set()
        self.missing: set[str] = set()
        self.closed: list[str] = []
        self.detectors: dict[str, Named] = {}
        self.models = LiveModels(Vision(Named("packaged")), self.open, lambda: self.now)

    def open(self, name: str) -> Vision:
        if name in self.missing:
            raise LearningError("the file is missing")
        self.detectors[name] = Named(name, broken=name in self.broken)
        vision = Vision(self.detectors[name])
        close = vision.close

        def closing() -> None:
            self.closed.append(name)
            close()

        vision.close = closing  # type: ignore[method-assign]
        return vision

    def follow(self, *steps: RolloutStep) -> None:
        self.models.follow(RolloutPlan(steps))

    async def look(self, context: str = "p", opened_at: datetime = NOON) -> Evidence:
        evidence = await self.models.inspect_print(JPEG, None, context, opened_at)
        await asyncio.sleep(0)
        return evidence


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.models.close()


def full(id: int, model: str, since: datetime) -> RolloutStep:
    return RolloutStep(id, RolloutStage.FULL, model, 1.0, since)


async def until(true: Callable[[], bool]) -> None:
    """Wait until it is true, at most 10 s."""
    deadline = asyncio.get_running_loop().time() + 10
    while not true():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


async def compared(machine: Machine, pictures: int) -> None:
    """Wait until so many pictures were compared."""
    await until(lambda: machine.models.tally().pictures + machine.models.tally().errors >= pictures)


async def test_a_print_keeps_its_model_and_a_new_one_gets_the_new_model(machine: Machine) -> None:
    machine.follow(full(1, "a", NOON), full(2, "b", NOON + timedelta(hours=2)))
    machine.now = NOON + timedelta(hours=3)
    versions = [(await machine.look("p", NOON + timedelta(hours=h))).model_version for h in (-1, 1, 2.5)]
    assert versions == ["packaged", "a", "b"]
    assert machine.models.model_version == "b"


async def test_a_model_that_cannot_be_opened_changes_nothing(machine: Machine) -> None:
    machine.missing = {"a"}
    machine.follow(full(1, "a", NOON))
    assert (await machine.look()).model_version == "packaged"
    assert machine.models.model_version == "packaged"
    assert machine.models.trial is None


async def test_a_model_that_fails_costs_no_call_and_is_found(machine: Machine) -> None:
    machine.broken = {"a"}
    machine.follow(full(1, "a", NOON))
    for _ in range(MAX_ERRORS):
        assert (await machine.look()).model_version == "packaged"
    found = machine.models.fault()
    assert found is not None
    assert found[0] == 1
    assert "failed on 3" in found[1]


async def test_what_is_no_picture_is_not_held_against_the_model(machine: Machine) -> None:
    machine.follow(full(1, "a", NOON))
    for _ in range(MAX_ERRORS):
        with pytest.raises(ImageDecodeError):
            await machine.models.inspect_print(b"no picture", None, "p", NOON)
    assert machine.models.fault() is None


async def test_a_shadow_scores_live_pictures_and_answers_none(machine: Machine) -> None:
    machine.follow(RolloutStep(1, RolloutStage.SHADOW, "a", 1.0, NOON))
    for number in range(5):
        assert (await machine.look()).model_version == "packaged"
        await compared(machine, number + 1)
    assert len(machine.detectors["a"].batches) == 5
    assert machine.models.tally().pictures == 5


async def test_a_new_model_is_compared_on_its_own_prints_only(
    machine: Machine,
) -> None:
    machine.follow(full(1, "a", NOON))
    await machine.look(opened_at=NOON - timedelta(hours=1))
    await machine.look()
    await compared(machine, 1)
    assert machine.models.tally().pictures == 1


async def test_nothing_is_compared_after_the_probation(machine: Machine) -> None:
    machine.now = NOON + PROBATION + timedelta(minutes=1)
    machine.follow(full(1, "a", NOON))
    assert machine.models.trial is None
    await machine.look()
    assert machine.models.tally().pictures == 0


async def test_an_unused_model_is_closed_after_its_last_call(machine: Machine) -> None:
    machine.follow(full(1, "a", NOON))
    slow = machine.detectors["a"]
    slow.gate.clear()
    call = asyncio.create_task(machine.models.inspect_print(JPEG, None, "p", NOON))
    await until(lambda: bool(slow.batches))
    machine.models.follow(machine.models.plan.without(1))
    assert machine.closed == []
    slow.gate.set()
    assert (await call).model_version == "a"
    await until(lambda: machine.closed == ["a"])


@pytest.mark.parametrize("judged_by", ["packaged", "candidate"])
async def test_a_second_opinion_is_the_other_models(machine: Machine, judged_by: str) -> None:
    assert (await machine.models.second_opinion(JPEG, judged_by), machine.models.compared) == (None, None)
    machine.follow(RolloutStep(1, RolloutStage.SHADOW, "candidate", 1.0, NOON))
    evidence = await machine.models.second_opinion(JPEG, judged_by)
    assert evidence is not None
    assert {judged_by, evidence.model_version} == {"packaged", "candidate"}
    assert machine.models.compared == "candidate packaged"
