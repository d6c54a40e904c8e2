"""Waiting pictures scored by a second model while one is compared: their disagreement is reviewed first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog
from sqlalchemy.orm import Session

from layerwatch.learning import repository
from layerwatch.learning.errors import LearningError
from layerwatch.learning.examples import ExampleStore
from layerwatch.learning.models import ExampleRow
from layerwatch.learning.service import name_of
from layerwatch.storage import DatabaseGateway, StorageError
from layerwatch.vision.errors import Busy, VisionError
from layerwatch.vision.evidence import Evidence

log = structlog.get_logger(__name__)

PERIOD_S = 30.0
PICTURES = 8
"""Scored in one period at most, one after the other, so that they take little of the detector."""


class ComparedModels(Protocol):
    """What is needed of `rollout.LiveModels`."""

    async def second_opinion(self, jpeg: bytes, judged_by: str | None) -> Evidence | None: ...

    @property
    def compared(self) -> str | None:
        """A name for the pair of models that is compared now; None while there is none."""
        ...


class SecondOpinions:
    """Scores waiting pictures with the model that has not judged them."""

    def __init__(self, gateway: DatabaseGateway, examples: ExampleStore, models: ComparedModels) -> None:
        self._gateway = gateway
        self._examples = examples
        self._models = models

    async def score(self) -> int:
        """Score the newest waiting pictures, at most `PICTURES`; how many. Raises StorageError."""
        pair = self._models.compared
        if pair is None:
            return 0
        rows = await self._gateway.read_async(_without_opinion, pair)
        for row in rows:
            try:
                jpeg = await asyncio.to_thread(self._examples.get, name_of(row))
                evidence = await self._models.second_opinion(jpeg, row.model_version)
                probability = None if evidence is None else evidence.failure_probability
            except Busy:
                return 0
            except (LearningError, VisionError) as error:  # a picture or a model that cannot be used
                log.info("no_second_opinion", example=row.id, why=str(error))
                probability = None
            await self._gateway.write_async(_write, row.id, pair, probability)
        return len(rows)

    async def score_forever(self) -> None:
        """`score` every `PERIOD_S` seconds."""
        while True:
            try:
                await self.score()
            except StorageError as error:
                log.info("second_opinions_not_written", why=str(error))
            await asyncio.sleep(PERIOD_S)


def _without_opinion(session: Session, pair: str) -> Sequence[ExampleRow]:
    rows = repository.without_opinion(session, pair, PICTURES)
    session.expunge_all()
    return rows


def _write(session: Session, example_id: int, pair: str, probability: float | None) -> None:
    row = repository.find_example(session, example_id)
    if row is not None:  # else withdrawn meanwhile
        row.second_model, row.second_probability = pair, probability
