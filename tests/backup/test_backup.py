"""`layerwatch backup` and `restore`: everything comes back, and a bad archive changes nothing."""

from __future__ import annotations

import hashlib
import json
import resource
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import func, select
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.config import load
from layerwatch.identity.models import Account
from layerwatch.learning import ExampleStore
from layerwatch.learning.rollout import ModelRegistry
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.storage import Database
from layerwatch.storage.objects import FolderObjects

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SPOOLED = "4711-0a1b2c3d.jsonl"


def layerwatch(command: str, file: Path, folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, [command, str(file), "--data-dir", str(folder), *options])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a data folder but for locks; the database's as its rows."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and not path.name.startswith((".lock", "layerwatch.sqlite3")):
            found[name] = path.read_bytes()
    database = Database(f"sqlite:///{folder / 'layerwatch.sqlite3'}", threads=1)
    with database.read() as session:
        row = session.execute(select(func.count(), func.max(Account.name))).one()
    database.close()
    return found | {"accounts": repr(row).encode()}


def open_to_all(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.stat().st_mode & 0o077}


def fill(folder: Path, name: str) -> None:
    """A data folder with one of everything."""
    settings = load(data_dir=folder)
    settings.secrets()
    database = Database(settings.database_url, threads=1)
    database.migrate()
    with database.write() as session:
        from layerwatch.identity import create_account

        create_account(session, name, NOW)
    examples = ExampleStore(FolderObjects(folder / "objects"))
    for number in range(3):
        examples.put(1, examples.new_folder(), f"{name} {number}".encode())
    earlier = hashlib.sha256(name.encode()).hexdigest()  # a picture that an earlier version kept
    (folder / "examples" / earlier[:2]).mkdir(parents=True)
    (folder / "examples" / earlier[:2] / f"{earlier}.jpg").write_bytes(name.encode())
    model = folder.parent / f"{name}.onnx"
    model.write_bytes(name.encode())
    store = ModelStore(FolderObjects(folder / "objects"), folder / "models")
    ModelRegistry(database, store).add(model, version="1", note="", at=NOW, by="a test")
    database.close()
    (folder / "watcher.key").write_text(f"prod_{name}")
    (folder / "spool").mkdir()
    (folder / "spool" / SPOOLED).write_bytes(b'{"id": 1}\n')


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    fill(folder, "Acme")
    return folder


@pytest.fixture
def archive(tmp_path: Path, source: Path) -> Path:
    file = tmp_path / "layerwatch.backup"
    result = layerwatch("backup", file, source)
    assert result.exit_code == 0, result.output
    return file


def test_everything_comes_back_and_is_its_owners_only(tmp_path: Path, source: Path, archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    result = layerwatch("restore", archive, tmp_path / "target", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["set_aside"] == []
    assert open_to_all(tmp_path / "target") == set()
    assert contents(tmp_path / "target") == contents(source)
    assert not [path for path in (tmp_path / "target").iterdir() if path.name.startswith(".restore")]


def test_kept_pictures_of_prints_are_not_in_it(tmp_path: Path, source: Path) -> None:
    FolderObjects(source / "objects").put("prints/1/a/000060.jpg", b"a kept picture")
    result = layerwatch("backup", tmp_path / "without.backup", source)
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(tmp_path / "without.backup") as archive:
        kept = [name.split("/")[1] for name in archive.namelist() if name.startswith("objects/")]
    assert sorted(kept) == ["examples"] * 3 + ["models"]


def test_nothing_is_overwritten_without_force(tmp_path: Path, archive: Path) -> None:
    fill(tmp_path / "target", "Other")
    before = contents(tmp_path / "target")
    result = layerwatch("restore", archive, tmp_path / "target")
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert contents(tmp_path / "target") == before


def test_force_sets_aside_what_was_there(tmp_path: Path, source: Path, archive: Path) -> None:
    target = tmp_path / "target"
    fill(target, "Other")
    before = contents(target)
    result = layerwatch("restore", archive, target, "--force", "--json")
    assert result.exit_code == 0, result.output
    (aside,) = map(Path, json.loads(result.stdout)["set_aside"])
    assert contents(aside) == before
    assert aside.stat().st_mode & 0o777 == 0o700
    found = contents(target)
    assert {name: found[name] for name in found if not name.startswith(aside.name)} == contents(source)


def test_a_database_that_a_server_has_open_is_not_replaced(tmp_path: Path, archive: Path) -> None:
    target = tmp_path / "target"
    fill(target, "Other")
    running = Database(f"sqlite:///{target / 'layerwatch.sqlite3'}", threads=1)
    with running.read() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 1
    result = layerwatch("restore", archive, target, "--force")
    assert result.exit_code == 1
    assert "stop its servers" in result.stderr
    running.close()
    assert layerwatch("restore", archive, target, "--force").exit_code == 0


def test_a_full_disk_leaves_no_half_backup(tmp_path: Path, source: Path) -> None:
    before = set(tmp_path.rglob("*"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        result = layerwatch("backup", tmp_path / "new.backup", source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.exit_code == 1
    assert {path for path in tmp_path.rglob("*") if path.name != ".lock"} - before <= set(
        source.glob("layerwatch.sqlite3-*")
    )


def test_a_folder_without_a_database_cannot_be_backed_up(tmp_path: Path) -> None:
    result = layerwatch("backup", tmp_path / "new.backup", tmp_path / "empty")
    assert "is this the server's data folder?" in result.stderr
    assert not (tmp_path / "new.backup").exists()


def test_a_secret_from_the_environment_is_not_in_the_backup(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "secret").unlink()
    monkeypatch.setenv("LAYERWATCH_SECRET", "from the environment, and long enough")
    result = layerwatch("backup", tmp_path / "new.backup", source)
    assert "Keep that safe elsewhere" in result.stdout
    assert b"from the environment" not in (tmp_path / "new.backup").read_bytes()


Edit = Callable[[dict[str, bytes], dict[str, object]], None]


def rewritten(archive: Path, edit: Edit, *, compressed: bool = False, twice: str = "") -> Path:
    """The archive with other files and another manifest."""
    with zipfile.ZipFile(archive) as old:
        files = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    edit(files, manifest)
    bad = archive.with_name("bad.backup")
    with zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as new:
        for name, content in files.items():
            new.writestr(name, content)
        if twice:
            new.writestr(twice, files[twice])
        new.writestr("manifest.json", json.dumps(manifest))
    return bad


def add(name: str, content: bytes = b"x") -> Edit:
    def edit(files: dict[str, bytes], manifest: dict[str, object]) -> None:
        files[name] = content
        entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        manifest["files"][name] = entry  # type: ignore[index]

    return edit


def change(name: str) -> Edit:
    def edit(files: dict[str, bytes], manifest: dict[str, object]) -> None:
        files[name] = bytes(len(files[name]))

    return edit


def remove(name: str) -> Edit:
    return lambda files, manifest: files.pop(name) and None


def say(name: str, value: object) -> Edit:
    return lambda files, manifest: manifest.update({name: value})


def nothing(files: dict[str, bytes], manifest: dict[str, object]) -> None:
    """Leave it as it is."""


BAD: dict[str, tuple[Edit, str]] = {
    "a name above the folder": (add("../secret"), "does not belong"),
    "an absolute name": (add("/etc/cron.d/x"), "does not belong"),
    "a name above in a known folder": (add("examples/../../x.jpg"), "does not belong"),
    "a hidden way out": (add("models\\..\\..\\x.onnx"), "does not belong"),
    "an unknown file": (add("layerwatch.toml"), "does not belong"),
    "a file that the manifest does not know": (
        lambda files, manifest: files.update({"watcher.key": b"another"}),
        "not those of its manifest",
    ),
    "a file missing": (remove("secret"), "not those of its manifest"),
    "another secret": (change("secret"), "SHA-256"),
    "a database of zeros": (
        lambda files, manifest: add("layerwatch.sqlite3", bytes(8192))(files, manifest),
        "database in the backup is damaged",
    ),
    "tables of the future": (say("tables", "9999"), "newer than"),
    "another kind of database": (say("database", "postgresql"), "database is missing"),
    "a manifest of the future": (say("format", 2), "newer version"),
    "a manifest with more in it": (say("run", "rm -rf"), "newer version"),
}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A data folder that must be as before, whatever is restored over it."""
    folder = tmp_path / "target"
    fill(folder, "Other")
    before = contents(folder), set(tmp_path.iterdir())
    yield folder
    assert contents(folder) == before[0]
    assert set(tmp_path.iterdir()) - before[1] <= {tmp_path / "bad.backup"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_refused_and_changes_nothing(archive: Path, target: Path, name: str) -> None:
    edit, why = BAD[name]
    result = layerwatch("restore", rewritten(archive, edit), target, "--force")
    assert result.exit_code == 1
    assert why in result.stderr


def test_so_is_a_compressed_one_that_could_unpack_to_any_size(archive: Path, target: Path) -> None:
    result = layerwatch("restore", rewritten(archive, nothing, compressed=True), target, "--force")
    assert "compressed" in result.stderr


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_so_is_one_that_holds_a_file_twice(archive: Path, target: Path) -> None:
    result = layerwatch("restore", rewritten(archive, nothing, twice="secret"), target, "--force")
    assert "twice" in result.stderr


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_so_is_one_that_was_cut_off(archive: Path, target: Path, part: float) -> None:
    bad = archive.with_name("bad.backup")
    whole = archive.read_bytes()
    bad.write_bytes(whole[: int(len(whole) * part)])
    result = layerwatch("restore", bad, target, "--force")
    assert "damaged or no backup" in result.stderr


@pytest.mark.parametrize("place", [0.05, 0.5, 0.8])
def test_so_is_one_in_which_a_byte_changed(archive: Path, target: Path, place: float) -> None:
    bad = archive.with_name("bad.backup")
    changed = bytearray(archive.read_bytes())
    changed[int(len(changed) * place)] ^= 0x41
    bad.write_bytes(changed)
    assert layerwatch("restore", bad, target, "--force").exit_code == 1
