"""Keeps a node's models at what the database says, and takes a bad one back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from layerwatch.learning.rollout import repository
from layerwatch.learning.rollout.comparison import Tally
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
        self._bad: tuple[int, str] | None = None
        """A step that was taken back here and not yet in the database, and why."""
        self._reported: tuple[int, Tally] | None = None

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
        if (found := self._models.fault()) is not None:
            log.error("model_rolled_back", step=found[0], why=found[1])
            self._bad = found
            await asyncio.to_thread(self._models.follow, self._models.plan.without(found[0]))
        if self._bad is None:
            return
        step_id, why = self._bad
        by = f"node {self._node}"
        await self._gateway.write_async(repository.roll_back, step_id, at=self._now(), by=by, reason=why)
        self._bad = None

    async def _report(self) -> None:
        trial, tally = self._models.trial, self._models.tally()
        if trial is None or tally.pictures + tally.errors == 0:
            return
        report = (trial.step.id, tally)
        if report == self._reported:
            return
        await self._gateway.write_async(repository.write_tally, trial.step.id, self._node, tally, self._now())
        self._reported = report
