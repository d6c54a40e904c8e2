"""What has expired goes, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from layerwatch.contexts import retention as sweeping
from layerwatch.contexts.models import AnswerRow, ContextRow
from layerwatch.storage import Database

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def fill(database: Database, number: int, expires_at: datetime, prefix: str) -> None:
    with database.write() as session:
        for each in range(number):
            session.add(
                ContextRow(
                    id=f"{prefix}{each}",
                    account_id=1,
                    opened_at=expires_at - timedelta(days=14),
                    expires_at=expires_at,
                    revision=1,
                    state=b"",
                    inspected_at=NOW,
                    interval_ms=40_000,
                    camera=None,
                    answer="{}",
                )
            )
            session.add(AnswerRow(context_id=f"{prefix}{each}", key="k", expires_at=expires_at, body="{}"))


def left(database: Database) -> tuple[int, int]:
    with database.read() as session:
        return tuple(  # type: ignore[return-value]
            session.scalar(select(func.count()).select_from(table)) for table in (ContextRow, AnswerRow)
        )


def test_the_expired_go_in_batches_and_the_living_stay(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 10)
    fill(database, 25, NOW, "old")
    fill(database, 3, NOW + timedelta(seconds=1), "young")
    gone: list[int] = []
    while not gone or gone[-1]:
        gone.append(database.transact(sweeping.sweep, NOW))
    assert gone == [20, 20, 10, 0]
    assert left(database) == (3, 3)
