"""Models and steps in the database, files in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from layerwatch.learning import LearningError
from layerwatch.learning.rollout import PACKAGED, ModelRegistry, RolloutStage
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.learning.rollout.registry import NOTICE
from layerwatch.storage import Database
from layerwatch.storage.objects import FolderObjects

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(FolderObjects(tmp_path / "objects"), tmp_path / "models")


@pytest.fixture
def registry(tmp_path: Path, store: ModelStore) -> Iterator[ModelRegistry]:
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3")
    database.migrate()
    yield ModelRegistry(database, store)
    database.close()


@pytest.fixture
def models(tmp_path: Path, registry: ModelRegistry) -> list[str]:
    found = []
    for name in ("a", "b"):
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(name.encode())
        found.append(registry.add(file, version=name, note="", at=NOW, by="a test").sha256)
    return found


def test_promotion_and_rollback_walk_the_history(registry: ModelRegistry, models: list[str]) -> None:
    first, second = models
    registry.promote(first[:12], at=NOW, by="me")
    registry.promote(second, at=NOW + MINUTE, by="me")
    later = NOW + 5 * MINUTE
    assert registry.plan().active(later) == second
    registry.roll_back(at=later, by="me")
    assert registry.plan().active(later) == first
    registry.roll_back(at=later, by="me")
    assert registry.plan().active(later) == PACKAGED
    with pytest.raises(LearningError, match="nothing to go back to"):
        registry.roll_back(at=later, by="me")


def test_a_step_takes_effect_when_every_node_has_read_it(registry: ModelRegistry, models: list[str]) -> None:
    step = registry.promote(models[0], at=NOW, by="me")
    assert step.since == NOW + NOTICE
    assert registry.plan().active(NOW) == PACKAGED


def test_a_promotion_ends_the_canary_before_it(registry: ModelRegistry, models: list[str]) -> None:
    registry.canary(models[0], 0.25, at=NOW, by="me")
    registry.promote(models[0], at=NOW + MINUTE, by="me")
    canary, full = registry.steps()
    assert (canary.until, canary.rolled_back_at, full.stage) == (
        NOW + MINUTE + NOTICE,
        None,
        RolloutStage.FULL,
    )


def test_a_rollback_takes_the_prints_of_the_canary_along(registry: ModelRegistry, models: list[str]) -> None:
    registry.canary(models[0], 1.0, at=NOW, by="me")
    registry.promote(models[0], at=NOW + MINUTE, by="me")
    registry.roll_back(at=NOW + 2 * MINUTE, by="me")
    assert registry.plan().model_for("a print", NOW + NOTICE) == PACKAGED


def test_a_rollback_ends_the_running_canary_first(registry: ModelRegistry, models: list[str]) -> None:
    registry.promote(models[0], at=NOW, by="me")
    registry.canary(models[1], 0.5, at=NOW + MINUTE, by="me")
    assert registry.roll_back(at=NOW + 2 * MINUTE, by="me").stage == RolloutStage.CANARY
    assert registry.plan().active(NOW + 3 * MINUTE) == models[0]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_is_above_0_and_at_most_1(registry: ModelRegistry, models: list[str], share: float) -> None:
    with pytest.raises(LearningError, match="share"):
        registry.canary(models[0], share, at=NOW, by="me")


def test_the_active_model_is_not_tried_against_itself(registry: ModelRegistry, models: list[str]) -> None:
    registry.promote(models[0], at=NOW, by="me")
    with pytest.raises(LearningError, match="active already"):
        registry.shadow(models[0], 0.5, at=NOW + MINUTE, by="me")


@pytest.mark.parametrize("name", ["nobody", "ab", ""])
def test_an_unknown_or_short_name_is_no_model(registry: ModelRegistry, models: list[str], name: str) -> None:
    with pytest.raises(LearningError, match="no known model"):
        registry.promote(name, at=NOW, by="me")


def test_a_damaged_copy_is_fetched_again_and_a_damaged_original_is_never_used(
    tmp_path: Path, registry: ModelRegistry, models: list[str]
) -> None:
    path = registry.path(models[0])
    assert path is not None
    path.write_bytes(b"poison")
    assert registry.path(models[0]) == path
    assert path.read_bytes() == b"a"
    (tmp_path / "objects" / "models" / f"{models[0]}.onnx").write_bytes(b"poison")
    path.unlink()
    with pytest.raises(LearningError, match="damaged"):
        registry.promote(models[0], at=NOW, by="me")


def test_the_folder_of_an_earlier_version_is_taken_over_once(tmp_path: Path, registry: ModelRegistry) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    digest = hashlib.sha256(b"old").hexdigest()
    (folder / f"{digest}.onnx").write_bytes(b"old")
    entry = {"sha256": digest, "version": "7", "added_at": NOW.isoformat(), "note": "ours"}
    old = {"models": [entry], "history": [PACKAGED, digest]}
    (folder / "registry.json").write_text(json.dumps(old))
    for _ in range(2):
        registry.take_over_folder(folder, NOW)
    assert [(row.sha256, row.version, row.note) for row in registry.models()] == [(digest, "7", "ours")]
    assert [step.stage for step in registry.steps()] == [RolloutStage.FULL]
    assert registry.plan().active(NOW) == digest
