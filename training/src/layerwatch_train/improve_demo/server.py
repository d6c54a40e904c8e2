"""A real server with its own data, its users, its reviewer and its operator."""

from __future__ import annotations

import getpass
import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from layerwatch.config import Settings, load
from layerwatch.identity import create_account
from layerwatch.keys import create_key
from layerwatch.learning.queue import queue
from layerwatch.learning.review import review
from layerwatch.storage import Database
from layerwatch_sdk import Client, Inspection, PrintLabels

START_S = 300.0
FOLLOW_S = 300.0
"""Until a server is ready, and until it follows a step of a roll-out."""

ALARM = 0.5
"""Failure probability from which a user takes an answer for an alarm."""

_AT_ONCE = 200


class DemoError(RuntimeError):
    """The demo cannot continue; the message says why."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture before a user. failed: what the user knows.  kind: of failure, where it is known."""

    file: Path
    failed: bool
    kind: str = ""


@dataclass(frozen=True, slots=True)
class DemoServer:
    """The server's URL and the folder of its data."""

    url: str
    settings: Settings

    def command(self, *arguments: str) -> list[dict[str, Any]]:
        """Run `layerwatch ARGUMENTS` on this installation; what it prints, as JSON. Raises DemoError."""
        program = [sys.executable, "-m", "layerwatch", *arguments]
        program += ["--data-dir", str(self.settings.data_dir), "--json"]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoError(done.stderr.strip() or done.stdout.strip())
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def new_key(self, name: str) -> str:
        """An API key of a new account, which lets its pictures be used for training."""
        now, pepper = datetime.now(UTC), self.settings.secrets().api_keys
        database = Database(self.settings.database_url)
        try:
            with database.write() as session:
                account = create_account(session, name, now, share_pictures=True).id
                return create_key(session, account, name="demo", pepper=pepper, now=now).text
        finally:
            database.close()

    def report(self, name: str, pictures: Sequence[Shown]) -> int:
        """A user with a printer: each picture is inspected in a print of its own, and its user says what is
        right. How many answers were wrong."""
        wrong = 0
        with Client(self.new_key(name), self.url) as client:
            for one in pictures:
                context = client.create_context(labels=PrintLabels(printer=name))
                answer = client.process(context, one.file.read_bytes(), detail=True)
                alarm = _alarms(answer)
                wrong += alarm != one.failed
                client.feedback(context, _verdict(alarm, one.failed))
        return wrong

    def watch(self, name: str, pictures: Sequence[Shown]) -> int:
        """Inspect pictures without feedback; how many alarmed."""
        alarms = 0
        with Client(self.new_key(name), self.url) as client:
            for one in pictures:
                answer = client.process(client.create_context(), one.file.read_bytes(), detail=True)
                alarms += _alarms(answer)
        return alarms

    def review(self, labels: Mapping[str, tuple[str, str]]) -> int:
        """Label every waiting picture; how many. labels: SHA-256 → (label, kind of failure or "")."""
        database, count = Database(self.settings.database_url), 0
        try:
            while True:
                with database.write() as session:
                    waiting = queue(session, _AT_ONCE)
                    for one in waiting:
                        label, kind = labels[one.row.sha256]
                        review(
                            session,
                            one.row.id,
                            label=label,
                            failure_type=kind or None,
                            by=getpass.getuser(),
                            at=datetime.now(UTC),
                        )
                count += len(waiting)
                if not waiting:
                    return count
        finally:
            database.close()

    def wait_for_model(self, version: str) -> None:
        """Until new prints get the model of this version. Raises DemoError."""
        deadline = time.monotonic() + FOLLOW_S
        while httpx.get(f"{self.url}/readyz").json()["Model"] != version:
            if time.monotonic() > deadline:
                raise DemoError(f"the server does not use {version} after {FOLLOW_S:.0f} s")
            time.sleep(1)


def _alarms(answer: Inspection) -> bool:
    probability = answer.detail.failure_probability if answer.detail is not None else None
    return probability is not None and probability >= ALARM


def _verdict(alarm: bool, failed: bool) -> str:
    if failed:
        return "correct_alarm" if alarm else "missed"
    return "false_alarm" if alarm else "good"


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def running(folder: Path) -> Iterator[DemoServer]:
    """A server in a process of its own with its data in a new `folder`. Raises DemoError."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = load(data_dir=folder, port=port)
    program = [sys.executable, "-m", "layerwatch", "serve", "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen([*program, "--data-dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        server = DemoServer(f"http://127.0.0.1:{port}", settings)
        deadline = time.monotonic() + START_S
        while not _ready(server.url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoError("the server did not start: see its messages above")
            time.sleep(0.3)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").is_success
    except httpx.TransportError:
        return False
