"""A bad model is taken back on this node at once, and in the database as soon as it answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from layerwatch.learning.rollout import PACKAGED, LiveModels, ModelRegistry, RolloutKeeper
from layerwatch.learning.rollout.comparison import MAX_ERRORS
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.storage import Database, DatabaseGateway, StorageUnavailable
from layerwatch.storage.objects import FolderObjects
from layerwatch.vision import Picture, RawDetection, Vision
from layerwatch.vision.errors import ModelError
from tests.support.fake_detector import FakeDetector, picture

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Failing(FakeDetector):
    """Fails on every picture."""

    def detect(self, images: list[Picture]) -> list[RawDetection]:  # type: ignore[override]
        raise ModelError("values outside 0..1")


class Gateway(DatabaseGateway):
    """Refuses to write while `away`; counts what is written."""

    refuses = False
    writes = 0

    async def write_async(self, *work: Any, **values: Any) -> Any:
        if self.refuses:
            raise StorageUnavailable("the database is away")
        self.writes += 1
        return await super().write_async(*work, **values)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def promoted(tmp_path: Path, database: Database) -> ModelRegistry:
    registry = ModelRegistry(database, ModelStore(FolderObjects(tmp_path / "objects"), tmp_path / "models"))
    file = tmp_path / "bad.onnx"
    file.write_bytes(b"bad")
    added = registry.add(file, version="bad", note="", at=NOON, by="a test")
    registry.promote(added.sha256, at=NOON, by="a test")
    return registry


async def test_a_model_taken_back_during_an_outage_stays_back(
    database: Database, promoted: ModelRegistry
) -> None:
    now = NOON + timedelta(minutes=1)
    models = LiveModels(Vision(FakeDetector()), lambda _: Vision(Failing()), lambda: now)
    gateway = Gateway(database)
    keeper = RolloutKeeper(models, gateway, lambda: now, "one")
    await keeper.look()
    for number in range(MAX_ERRORS):
        await models.inspect_print(picture(0.1), None, f"print {number}", now)
    gateway.refuses = True
    with pytest.raises(StorageUnavailable):
        await keeper.look()
    assert models.plan.active(now) == PACKAGED
    gateway.refuses = False
    await keeper.look()
    assert models.plan.active(now) == PACKAGED
    (step,) = promoted.steps()
    assert step.ended_by == "node one"
    models.close()


async def test_figures_that_did_not_change_are_not_written_again(
    database: Database, promoted: ModelRegistry
) -> None:
    now = NOON + timedelta(minutes=1)
    models = LiveModels(Vision(FakeDetector()), lambda _: Vision(Failing()), lambda: now)
    gateway = Gateway(database)
    keeper = RolloutKeeper(models, gateway, lambda: now, "one")
    await keeper.look()
    await models.inspect_print(picture(0.1), None, "a print", now)
    for _ in range(3):
        await keeper.look()
    assert gateway.writes == 1
    models.close()
