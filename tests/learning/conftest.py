"""A database and a store of examples for the tests of feedback."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from layerwatch.learning import ExampleStore
from layerwatch.storage import Database, ObjectStore, open_objects
from layerwatch.storage.objects import FolderObjects
from tests.support.feedback import account_with_consent


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Database]:
    """A new SQLite database."""
    database = Database(f"sqlite:///{tmp_path / 'layerwatch.sqlite3'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def account(migrated: Database) -> int:
    """An account that lets pictures be kept."""
    with migrated.write() as session:
        return account_with_consent(session)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket on a server that speaks S3."""
    pytest.importorskip("obstore")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"examples-{uuid.uuid4().hex}"  # the buckets outlive the server
    assert httpx.put(f"http://{host}:{port}/{bucket}", trust_env=False).status_code == 200
    yield f"s3://{bucket}"
    server.stop()


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    """The object store of one machine."""
    return FolderObjects(tmp_path / "objects")


@pytest.fixture(params=["folder", "s3"])
def objects_on_each(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An object store, once a folder and once on S3."""
    address = request.getfixturevalue("s3") if request.param == "s3" else ""
    return open_objects(address, tmp_path / "objects")


@pytest.fixture
def examples(objects: ObjectStore) -> ExampleStore:
    """The pictures in the folder."""
    return ExampleStore(objects)
