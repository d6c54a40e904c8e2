"""Where the API's replicas leave their metrics, so that a scrape of any of them is of all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from ray.serve.handle import DeploymentHandle

from layerwatch.learning.recent import RecentPicture

log = structlog.get_logger(__name__)

VISIT_INTERVAL_S = 5.0
"""Seconds between two reports: half of a usual scrape interval."""

FORGET_AFTER_S = 4 * VISIT_INTERVAL_S
"""A reporter silent for this long has ended."""


class MetricsHub:
    """One replica, which keeps each visitor's last words."""

    def __init__(self) -> None:
        self._reports: dict[str, tuple[float, bytes]] = {}

    def visit(self, name: str, text: bytes) -> dict[str, bytes]:
        """Leave one's own metrics, take everybody's."""
        now = time.monotonic()
        self._reports[name] = (now, text)
        self._reports = {
            who: report for who, report in self._reports.items() if now - report[0] < FORGET_AFTER_S
        }
        return {who: last for who, (_, last) in self._reports.items()}

    def leave(self, name: str) -> None:
        """This one ends."""
        self._reports.pop(name, None)


class MetricsClient:
    """An API replica at the board; `services.Peers`."""

    def __init__(self, board: DeploymentHandle[Any], name: str, text: Callable[[], bytes]) -> None:
        self._board = board
        self._name = name
        self._text = text
        self._coming_by: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Come by every `VISIT_INTERVAL_S`, from now on."""
        self._coming_by = asyncio.create_task(self._come_by())

    async def close(self) -> None:
        """Stop reporting."""
        if self._coming_by is not None:
            self._coming_by.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await self._coming_by
                await self._board.leave.remote(self._name)

    async def metrics(self) -> dict[str, bytes]:
        """Everybody's, at most `VISIT_INTERVAL_S` old; only one's own if the board does not answer."""
        own = self._text()
        try:
            async with asyncio.timeout(2.0):
                report: dict[str, bytes] = await self._board.visit.remote(self._name, own)
        except Exception as error:
            log.warning("metrics_of_others_unknown", why=type(error).__name__)
            return {self._name: own}
        return report

    def pictures(self, context_id: str) -> list[RecentPicture]:
        """None: other replicas may be on other machines, and pictures do not travel."""
        return []

    async def _come_by(self) -> None:
        while True:
            await self.metrics()
            await asyncio.sleep(VISIT_INTERVAL_S)
