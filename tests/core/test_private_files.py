"""Whatever modes a data folder had before: nobody but its owner reads it afterwards."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from layerwatch.config import load
from layerwatch.contexts.offline.spool import Spool
from layerwatch.core.private_files import private_folder, replacing
from layerwatch.identity.models import Account
from layerwatch.learning.rollout import ModelRegistry
from layerwatch.learning.rollout.model_store import ModelStore
from tests.support.fake_detector import picture
from tests.support.servers import running

CANDIDATE = "2026-11-28T12:00:00+00:00"


def open_to_all(folder: Path) -> set[Path]:
    """What in the folder, itself among it, others may read, write or enter."""
    return {path for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o077}


@pytest.fixture(autouse=True)
def careless_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_everything_that_a_server_keeps_is_its_owners_only(tmp_path: Path) -> None:
    from datetime import datetime

    data = tmp_path / "data"
    data.mkdir(mode=0o777)
    for name in ("models", "objects", "spool"):
        (data / name).mkdir(mode=0o777)
    for name in ("secret", "layerwatch.sqlite3"):
        (data / name).touch(mode=0o666)
    (data / "secret").write_text("5" * 64)
    model = tmp_path / "candidate.onnx"
    model.write_bytes(b"a model")
    with running(load(data_dir=data, log_level="error")) as server:
        key, account = server.new_key_of()
        with server.services.database.write() as session:
            session.get_one(Account, account).share_pictures = True
        context = server.new_context(key)
        server.process(key, context, picture(0.1))
        url = f"/api/gadget/v1/feedback/{context}"
        assert server.http.post(url, json={"Kind": "missed"}, headers={"X-API-Key": key}).status_code == 200
        registry = ModelRegistry(
            server.services.database, ModelStore(server.services.objects, data / "models")
        )
        added = registry.add(model, version="1", note="", at=datetime.fromisoformat(CANDIDATE), by="a test")
        (data / "models" / f"{added.sha256}.onnx").unlink(missing_ok=True)
        registry.path(added.sha256)
        spool = Spool(data / "spool")
        spool.append(b"{}")
        spool.reject(b"{}", "unknown")
        assert any((data / "objects" / "examples").rglob("*.jpg"))
        assert {path.name for path in data.iterdir()} >= {
            *("secret", "layerwatch.sqlite3", "layerwatch.sqlite3-wal", "layerwatch.sqlite3-shm"),
            *("models", "objects", "spool"),
        }
        assert open_to_all(data) == set()


def test_a_database_in_a_shared_folder_leaves_the_folder_alone(tmp_path: Path) -> None:
    from layerwatch.storage import Database

    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    database = Database(f"sqlite:///{shared / 'layerwatch.sqlite3'}")
    database.migrate()
    assert shared.stat().st_mode & 0o777 == 0o777
    assert open_to_all(shared) == {shared}
    database.close()


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    private_folder(tmp_path / "a" / "b")
    assert open_to_all(tmp_path / "a") == set()


@pytest.mark.parametrize("before", [None, b"before"])
def test_a_file_that_cannot_be_written_whole_is_as_before(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="too large"), replacing(path) as file:
            file.write(bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [one.read_bytes() for one in tmp_path.iterdir()] == ([] if before is None else [before])
