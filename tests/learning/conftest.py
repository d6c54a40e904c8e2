"""A database and a store of examples for the tests of feedback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from layerwatch.learning import ExampleStore
from layerwatch.storage import Database, ObjectStore, open_objects
from layerwatch.storage.objects import FolderObjects
from tests.support.feedback import account_with_consent
from tests.support.s3 import s3_bucket


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
    with s3_bucket(monkeypatch) as address:
        yield address


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
