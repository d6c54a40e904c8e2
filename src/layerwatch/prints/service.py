"""Keeping the labels of prints, without letting it cost a detection."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from layerwatch.printers.repository import PrinterKey
from layerwatch.printers.service import open_print
from layerwatch.prints import repository
from layerwatch.prints.labels import PrintLabels
from layerwatch.storage import DatabaseGateway, StorageUnavailable

log = structlog.get_logger(__name__)

MAX_PER_MINUTE = 120
"""Labelled prints kept for one account in one minute by one process. Opening a context is free, and one
without labels writes nothing: a flood of labelled ones must not occupy the database."""


class PrintRegister:
    """Keeps labels in the database. A print goes on without them, and without its printer's memory."""

    def __init__(self, gateway: DatabaseGateway) -> None:
        self._gateway = gateway
        self._minute = datetime.min
        self._kept: Counter[int] = Counter()

    async def keep(
        self,
        context_id: str,
        account_id: int,
        opened_at: datetime,
        expires_at: datetime,
        labels: PrintLabels,
    ) -> None:
        """Keep a new print's labels, if it has any and the account does not flood. Never fails.

        A named printer's memory learns from its print before this one, which is over.
        """
        if not labels or not self._has_room(account_id, opened_at):
            return

        def write(session: Session) -> None:
            repository.add_labels(session, context_id, account_id, opened_at, expires_at, labels)
            if labels.printer is not None:
                key = PrinterKey(account_id, labels.printer, labels.camera or "")
                open_print(session, key, context_id, opened_at, expires_at)

        try:
            await self._gateway.write_async(write)
        except StorageUnavailable as error:
            log.warning("print_labels_lost", why=str(error))

    def _has_room(self, account_id: int, at: datetime) -> bool:
        minute = at.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute = minute
            self._kept.clear()
        self._kept[account_id] += 1
        return self._kept[account_id] <= MAX_PER_MINUTE
