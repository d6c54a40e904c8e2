"""What an account withdraws leaves every place: store, queue, exports, backups, and the next training set."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from layerwatch.api.routes import BASE
from layerwatch.cli import app
from layerwatch.config import load
from layerwatch.identity.models import Account
from layerwatch.learning import ExampleStore
from layerwatch.learning.deletion import withdraw_consent
from layerwatch.learning.queue import queue
from layerwatch.learning.review import review, reviewed
from layerwatch.storage import open_objects
from tests.support.fake_detector import picture
from tests.support.servers import Server, running

SHOWN = [picture(failure, seed=number) for number, failure in enumerate([0.1, 0.9, 0.5])]
THEIRS = {hashlib.sha256(jpeg).hexdigest() for jpeg in SHOWN}


@dataclass
class Farm:
    """A server, and an account on it whose pictures were reviewed and exported."""

    server: Server
    account: int
    key: str
    context: str
    folder: Path

    def feedback(self, context: str, key: str, kind: str = "missed") -> int:
        answer = self.server.http.post(
            f"{BASE}/feedback/{context}", json={"Kind": kind}, headers={"X-API-Key": key}
        )
        assert answer.status_code == 200, answer.text
        return int(answer.json()["ImagesKept"])

    def command(self, *words: str) -> dict[str, object]:
        settings = self.server.services.settings
        options = ["--json", "--data-dir", str(settings.data_dir), "--database", settings.database_url]
        result = CliRunner().invoke(app, [*words, *options])
        assert result.exit_code == 0, result.output
        found: dict[str, object] = json.loads(result.stdout)
        return found


@pytest.fixture
def farm(s3: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    monkeypatch.setenv("LAYERWATCH_OBJECTS", s3)
    with running(load(data_dir=tmp_path / "data", database=sqlite_url, objects=s3)) as server:
        key, account = server.new_key_of()
        with server.services.database.write() as session:
            session.get_one(Account, account).share_pictures = True
        context = server.new_context(key)
        for jpeg in SHOWN:
            assert server.process(key, context, jpeg).status_code == 200
            server.clock.advance(60)
        made = Farm(server, account, key, context, tmp_path / "exported")
        assert made.feedback(context, key) == len(SHOWN)
        with server.services.database.write() as session:
            for number, example in enumerate(queue(session)):
                if number:  # one is still waiting
                    at = server.clock.now()
                    review(session, example.row.id, label="failed", failure_type=None, by="ada", at=at)
        assert made.command("feedback", "export", str(made.folder))["pictures"] == 2
        yield made


def test_it_is_everywhere_before(farm: Farm) -> None:
    assert places(farm) == {"store", "database", "queue", "reviewed", "export", "index"}


def test_withdrawn_consent_reaches_every_place(farm: Farm) -> None:
    services = farm.server.services
    assert withdraw_consent(services.database, services.examples, farm.account, farm.server.clock.now()) == 3
    assert places(farm) <= {"export", "index"}, "what was handed out before is reached by its hashes"
    assert set(farm.command("feedback", "withdrawn", str(farm.folder))["withdrawn"]) == THEIRS  # type: ignore[call-overload]
    assert set((farm.folder / "withdrawn.txt").read_text().split()) == THEIRS
    assert farm.command("feedback", "export", str(farm.folder))["pictures"] == 0
    assert places(farm) == set()


def test_pictures_that_are_still_in_memory_are_not_kept_again(farm: Farm) -> None:
    services = farm.server.services
    withdraw_consent(services.database, services.examples, farm.account, farm.server.clock.now())
    assert services.recent.around(farm.context)
    assert farm.feedback(farm.context, farm.key, "false_alarm") == 0
    assert places(farm) <= {"export", "index"}


def test_another_node_has_no_copy(farm: Farm) -> None:
    services = farm.server.services
    withdraw_consent(services.database, services.examples, farm.account, farm.server.clock.now())
    other = open_objects(services.settings.objects, farm.folder / "never made")
    assert list(other.list("examples")) == []
    assert not list((services.settings.data_dir).rglob("*.jpg"))


def test_deleted_feedback_is_withdrawn_too(farm: Farm) -> None:
    farm.command("feedback", "delete", "--account", str(farm.account))
    assert farm.command("feedback", "export", str(farm.folder))["withdrawn"] == 3
    assert places(farm) == set()


def test_a_backup_made_afterwards_has_none_and_one_from_before_is_cleaned(farm: Farm, tmp_path: Path) -> None:
    services = farm.server.services
    before = {one.name: services.objects.get(one.name) for one in services.objects.list("examples")}
    farm.command("accounts", "set", str(farm.account), "--no-share-pictures")
    file = tmp_path / "after.backup"
    farm.command("backup", str(file))
    with zipfile.ZipFile(file) as archive:
        assert not [name for name in archive.namelist() if "examples" in name]
    farm.command("feedback", "withdrawn", str(farm.folder))
    # An older database and its objects come back: consent, rows and pictures.
    for name, jpeg in before.items():
        services.objects.put(name, jpeg)
    with services.database.write() as session:
        session.get_one(Account, farm.account).share_pictures = True
        session.execute(text("DELETE FROM withdrawn_pictures"))
        for number, name in enumerate(before, 100):
            _, account, folder, sha256 = name.removesuffix(".jpg").split("/")
            session.execute(
                text(
                    "INSERT INTO examples (id, feedback_id, account_id, sha256, folder)"
                    " VALUES (:id, 1, :account, :sha256, :folder)"
                ),
                {"id": number, "account": account, "sha256": sha256, "folder": folder},
            )
    applied = farm.command("feedback", "withdrawn", "--apply", str(farm.folder / "withdrawn.txt"))
    assert set(applied["withdrawn"]) == THEIRS  # type: ignore[call-overload]
    assert places(farm) <= {"export", "index"}


def test_the_same_picture_given_again_with_consent_is_kept(farm: Farm) -> None:
    services = farm.server.services
    withdraw_consent(services.database, services.examples, farm.account, farm.server.clock.now())
    farm.command("accounts", "set", str(farm.account), "--share-pictures")
    assert farm.feedback(farm.context, farm.key, "good") == len(SHOWN)
    assert farm.command("feedback", "withdrawn")["withdrawn"] == []


def test_consent_that_ends_while_feedback_is_under_way_keeps_nothing(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = farm.server.services
    put = ExampleStore.put

    def put_and_withdraw(store: ExampleStore, account_id: int, folder: str, jpeg: bytes) -> object:
        name = put(store, account_id, folder, jpeg)
        withdraw_consent(services.database, store, account_id, farm.server.clock.now())
        return name

    monkeypatch.setattr(ExampleStore, "put", put_and_withdraw)
    assert farm.feedback(farm.context, farm.key, "correct_alarm") == 0
    assert places(farm) <= {"export", "index"}


def places(farm: Farm) -> set[str]:
    """Where something of the account's pictures can be found."""
    services = farm.server.services
    found = set()
    if any(services.objects.get(one.name) in SHOWN for one in services.objects.list("examples")):
        found.add("store")
    with services.database.read() as session:
        tables = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        for table in set(tables) - {"withdrawn_pictures"}:
            rows = session.execute(text(f'SELECT * FROM "{table}"')).all()
            if any(sha256 in str(row) for row in rows for sha256 in THEIRS):
                found.add("database")
        if queue(session):
            found.add("queue")
        if reviewed(session):
            found.add("reviewed")
    if any(path.read_bytes() in SHOWN for path in farm.folder.rglob("*.jpg")):
        found.add("export")
    if any(sha256 in (farm.folder / "index.csv").read_text() for sha256 in THEIRS):
        found.add("index")
    return found
