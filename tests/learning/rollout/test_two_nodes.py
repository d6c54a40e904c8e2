"""Two nodes on one database: they follow a step without a restart, and a bad model goes within a minute."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from layerwatch.config import load
from layerwatch.learning.rollout import PACKAGED, ModelRegistry
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.storage.objects import FolderObjects
from layerwatch.vision import Picture, RawDetection, Vision
from layerwatch.vision.errors import ModelError
from tests.support.clocks import ManualClock
from tests.support.fake_detector import FakeDetector, picture
from tests.support.servers import Server, running

JPEG = picture(0.2)


class Behaving(FakeDetector):
    """A double of a promoted model: like the packaged one, or slow, wrong or failing."""

    def __init__(self, how: str) -> None:
        super().__init__(seconds=0.3 if how == "slow" else 0.0)
        self.how = how
        self.version = how  # type: ignore[misc]

    def detect(self, images: list[Picture]) -> list[RawDetection]:  # type: ignore[override]
        if self.how == "failing":
            raise ModelError("values outside 0..1")
        if self.how == "wrong":
            images = [255 - image for image in images]
        return super().detect(images)


class Fleet:
    """Two servers, and clients that open prints all the time and send a picture of each."""

    def __init__(self, nodes: list[Server], registry: ModelRegistry, model: str, clock: ManualClock) -> None:
        self.nodes, self.registry, self.model, self.clock = nodes, registry, model, clock
        self.statuses: Counter[int] = Counter()
        self.versions: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def promote(self) -> None:
        self.registry.promote(self.model, at=self.clock.now(), by="a test")
        self.clock.advance(20)

    def call(self) -> None:
        """One client for each node, until `stop`."""
        key = self.nodes[0].new_key()
        for node in self.nodes:
            thread = threading.Thread(target=self._calls, args=(node, key))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _calls(self, node: Server, key: str) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            context = node.new_context(key)
            answer = node.process(key, context, picture(0.2, seed=number % 50), query="?detail=1")
            self.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                self.versions[answer.json()["Detail"]["ModelVersion"]] += 1


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return true()


@pytest.fixture
def fleet(tmp_path: Path, sqlite_url: str, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    how, clock = request.param, ManualClock()
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                running(
                    load(data_dir=tmp_path / name, database=sqlite_url, log_level="error", secret="5" * 64),
                    clock=clock,
                    open_model=lambda _, model: Vision(Behaving(how)),
                )
            )
            for name in ("one", "two")
        ]
        file = tmp_path / "candidate.onnx"
        file.write_bytes(how.encode())
        store = ModelStore(FolderObjects(tmp_path / "objects"), tmp_path / "models")
        registry = ModelRegistry(nodes[0].services.database, store)
        added = registry.add(file, version=how, note="", at=clock.now(), by="a test")
        fleet = Fleet(nodes, registry, added.sha256, clock)
        yield fleet
        fleet.stop()


@pytest.mark.parametrize("fleet", ["good"], indirect=True)
def test_both_nodes_follow_a_promotion_without_a_restart(fleet: Fleet) -> None:
    fleet.promote()
    assert until(lambda: all(node.http.get("/readyz").json()["Model"] == "good" for node in fleet.nodes), 20)
    fleet.call()
    assert until(lambda: fleet.versions["good"] > 50, 30)
    fleet.stop()
    assert set(fleet.statuses) == {200}
    assert set(fleet.versions) == {"good"}
    assert fleet.registry.plan().active(fleet.clock.now()) == fleet.model


@pytest.mark.parametrize("fleet", ["slow", "wrong", "failing"], indirect=True)
def test_a_bad_model_is_rolled_back_within_a_minute_and_no_call_fails(fleet: Fleet) -> None:
    fleet.promote()
    assert until(lambda: all(node.services.vision.trial for node in fleet.nodes), 20)
    fleet.call()
    assert until(lambda: fleet.registry.plan().active(fleet.clock.now()) == PACKAGED, 60)
    assert until(lambda: all(node.http.get("/readyz").json()["Model"] == "fake" for node in fleet.nodes), 20)
    fleet.stop()
    assert set(fleet.statuses) == {200}
    (step,) = fleet.registry.steps()
    assert step.reason
    assert step.ended_by is not None
    assert step.ended_by.startswith("node ")
