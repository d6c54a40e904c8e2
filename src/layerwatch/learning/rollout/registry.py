"""What an operator does with models: add, shadow, canary, promote, roll back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.orm import Session

from layerwatch.learning.errors import LearningError
from layerwatch.learning.repository import Example
from layerwatch.learning.review import reviewed
from layerwatch.learning.rollout import repository
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.learning.rollout.models import ComparisonRow, ModelRow, StepRow
from layerwatch.learning.rollout.plan import PACKAGED, RolloutPlan, RolloutStage
from layerwatch.storage import Database

P = ParamSpec("P")
T = TypeVar("T")

NOTICE = timedelta(seconds=15)
"""From a step to its effect: every node has read it and opened its model by then, so that all give the same
new print the same model."""

MIN_DIGITS = 6
"""Of a model's SHA-256, to name it."""


class ModelRegistry:
    """The models of an installation: rows in the database, files in the store."""

    def __init__(self, database: Database, store: ModelStore) -> None:
        self._database = database
        self._store = store

    def models(self) -> Sequence[ModelRow]:
        """Every model that was added, oldest first."""
        return self._rows(repository.models)

    def steps(self) -> Sequence[StepRow]:
        """The history, oldest step first."""
        return self._rows(repository.steps)

    def plan(self) -> RolloutPlan:
        """What nodes follow now."""
        with self._database.read() as session:
            return repository.load_plan(session)

    def tallies(self, step_id: int) -> Sequence[ComparisonRow]:
        """What each node saw of a step's trial."""
        return self._rows(repository.tallies, step_id)

    def reviewed(self) -> Sequence[Example]:
        """Every picture of feedback with a settled label, once."""
        return self._rows(reviewed)

    def path(self, name: str) -> Path | None:
        """The file of a model, checked against its hash; None for the packaged one. Raises LearningError."""
        full = self.resolve(name)
        return None if full == PACKAGED else self._store.path(full)

    def add(self, source: Path, *, version: str, note: str, at: datetime, by: str) -> ModelRow:
        """Take a copy of a model file as a candidate. Adding it again changes nothing but a lost file."""
        digest, size = self._store.put(source)

        def work(session: Session) -> ModelRow:
            return repository.find_model(session, digest) or repository.add_model(
                session, digest, version=version, size=size, note=note[:200], at=at, by=by
            )

        return self._database.transact(work)

    def shadow(self, name: str, share: float, *, at: datetime, by: str) -> StepRow:
        """Have a model score this share of the live pictures, without effect on any answer."""
        return self._step(RolloutStage.SHADOW, name, share, at, by)

    def canary(self, name: str, share: float, *, at: datetime, by: str) -> StepRow:
        """Give a model this share of the prints that begin from now on."""
        return self._step(RolloutStage.CANARY, name, share, at, by)

    def promote(self, name: str, *, at: datetime, by: str) -> StepRow:
        """Make a model active: every print that begins from now on is its."""
        return self._step(RolloutStage.FULL, name, 1.0, at, by)

    def roll_back(self, *, at: datetime, by: str, reason: str = "by hand") -> StepRow:
        """Take the newest step back: the shadow or canary that runs, else the active model.

        The prints of its model go on with the model before it at once. Raises LearningError.
        """

        def work(session: Session) -> StepRow:
            open_steps = [
                row for row in repository.steps(session) if row.rolled_back_at is None and row.until is None
            ]
            if not open_steps:
                raise LearningError("there is nothing to go back to: the packaged model is active")
            newest = next(
                (row for row in reversed(open_steps) if row.stage != RolloutStage.FULL), open_steps[-1]
            )
            repository.roll_back(session, newest.id, at=at, by=by, reason=reason)
            return newest

        return self._database.transact(work)

    def resolve(self, name: str) -> str:
        """The full name of a model: `packaged`, or the SHA-256 that begins with these digits."""
        if name == PACKAGED:
            return name
        found = [row.sha256 for row in self.models() if row.sha256.startswith(name)]
        if len(found) != 1 or len(name) < MIN_DIGITS:
            raise LearningError(
                f"{name!r} is no known model: see `layerwatch models list` ({MIN_DIGITS} digits or more)"
            )
        return found[0]

    def take_over_folder(self, folder: Path, at: datetime) -> None:
        """Take over the models of a version that kept them in `registry.json`, and its active one."""
        file = folder / "registry.json"
        try:
            found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise LearningError(f"{file} is damaged: {error}") from error
        for model in found["models"]:
            source = folder / f"{model['sha256']}.onnx"
            if source.exists():
                self.add(source, version=model["version"], note=model["note"], at=at, by="an earlier version")
        active = found["history"][-1]
        if active != PACKAGED and active in {row.sha256 for row in self.models()}:
            self._take(RolloutStage.FULL, active, 1.0, at, "an earlier version")
        file.rename(file.with_suffix(".json.taken-over"))

    def _rows(
        self, query: Callable[Concatenate[Session, P], Sequence[T]], *args: P.args, **kwargs: P.kwargs
    ) -> Sequence[T]:
        """What a query finds, usable after its session."""
        with self._database.read() as session:
            rows = query(session, *args, **kwargs)
            session.expunge_all()
        return rows

    def _step(self, stage: RolloutStage, name: str, share: float, at: datetime, by: str) -> StepRow:
        if not 0.0 < share <= 1.0:
            raise LearningError("a share is a number above 0 and at most 1")
        full = self.resolve(name)
        if full != PACKAGED:
            self._store.path(full)  # a missing or damaged file is found now
        plan = self.plan()
        if plan.active(at + NOTICE) == full:
            raise LearningError(f"{full[:12]} is active already")
        return self._take(stage, full, share, at + NOTICE, by)

    def _take(self, stage: RolloutStage, model: str, share: float, since: datetime, by: str) -> StepRow:
        return self._database.transact(repository.add_step, stage, model, share, since=since, by=by)
