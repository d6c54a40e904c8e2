"""A node in a process by itself, with the fast detector double, and accounts in its database."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from layerwatch.config import Settings
from layerwatch.contexts import ContextIds
from layerwatch.identity import create_account
from layerwatch.keys import create_key
from layerwatch.storage import Database
from tests.support.proxies import free_port
from tests.support.ray_cluster import wait_for

ROOT = Path(__file__).parents[2]


@dataclass
class Account:
    """A customer: number, API key."""

    number: int
    key: str


@dataclass
class Node:
    """A running node on 127.0.0.1."""

    port: int
    process: psutil.Process
    settings: Settings
    database: Database

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ids(self) -> ContextIds:
        """Reads context ids as the node does."""
        return ContextIds(self.settings.secrets().context_ids)

    def new_account(self, name: str) -> Account:
        """A customer with a key."""
        now, pepper = datetime.now(UTC), self.settings.secrets().api_keys
        with self.database.write() as session:
            number = create_account(session, name, now).id
            return Account(number, create_key(session, number, name=name, pepper=pepper, now=now).text)

    def resident_mib(self) -> float:
        """Resident memory of its processes."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(each.memory_info().rss for each in processes) / 2**20


@contextmanager
def node(
    folder: Path,
    *,
    workers: int = 1,
    open_files: int | None = None,
    python: str = sys.executable,
    root: Path = ROOT,
) -> Iterator[Node]:
    """A node with its data in a folder.

    open_files: its processes' limit (`ulimit -n`).  python, root: those of another checkout, to compare with.
    """
    settings = Settings(data_dir=folder, port=free_port())
    given = {"data_dir": str(folder), "port": settings.port, "workers": workers, "log_level": "error"}

    def limit() -> None:
        if open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

    process = subprocess.Popen(
        [python, "-m", "tests.support.several_workers", json.dumps(given)],
        cwd=root,
        preexec_fn=limit,
    )
    try:
        wait_for((folder / "ready").exists, 120, lambda: process.poll() is None)
        database = Database(settings.database_url)
        yield Node(settings.port, psutil.Process(process.pid), settings, database)
        database.close()
    finally:
        process.terminate()
        process.wait(60)
