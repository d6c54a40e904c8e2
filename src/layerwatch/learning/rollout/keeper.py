"""Keeps a node's models at what the database says, and takes a bad one back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from layerwatch.learning.rollout import repository
from layerwatch.learning.rollout.live_models import LiveModels
from layerwatch.storage import DatabaseGateway, StorageError

log = structlog.get_logger(__name__)

PERIOD_S = 5.0
"""Between two looks at the steps. A step takes effect `registry.NOTICE` after it was taken: three periods."""


class RolloutKeeper:
    """Follows the plan. node: this process, by a name of at most 64 characters.

    While the database is away the plan that was read last is followed, and a bad model is taken back on this
    node; the database learns of it afterwards.
    """

    def __init__(
        self, models: LiveModels, gateway: DatabaseGateway, now: Callable[[], datetime], node: str
    ) -> None:
        self._models = models
        self._gateway = gateway
        self._now = now
        self._node = node
        self._written = 0

    async def look(self) -> None:
        """Read the steps, follow them, report the trial. Raises StorageError while the database is away."""
        if not self._models.can_change:
            return
        await self._take_back_bad()
        plan = await self._gateway.read_async(repository.load_plan)
        await asyncio.to_thread(self._models.follow, plan)
        await self._report()

    async def look_forever(self) -> None:
        """`look` every `PERIOD_S` seconds."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                log.info("rollout_not_read", why=str(error))
            await asyncio.sleep(PERIOD_S)

    async def _take_back_bad(self) -> None:
        found = self._models.fault()
        if found is None:
            return
        step_id, why = found
        log.error("model_rolled_back", step=step_id, why=why)
        await asyncio.to_thread(self._models.follow, self._models.plan.without(step_id))

        def work(session: Session) -> bool:
            return repository.roll_back(session, step_id, at=self._now(), by=f"node {self._node}", reason=why)

        await self._gateway.write_async(work)

    async def _report(self) -> None:
        trial, tally = self._models.trial, self._models.tally()
        seen = tally.pictures + tally.errors
        if trial is None or seen == 0:
            return

        def work(session: Session) -> None:
            repository.write_tally(session, trial.step.id, self._node, tally, self._now())

        await self._gateway.write_async(work)
