"""Objects: a folder and object stores behave alike, and no name leaves its store."""

import stat
import threading

import pytest

from layerwatch.storage import ObjectMissing, StorageUnavailable, open_objects
from layerwatch.storage.cloud_objects import CloudObjects
from tests.support.s3 import s3_bucket


@pytest.fixture
def s3(monkeypatch):
    """An address in a bucket on a server that speaks S3."""
    with s3_bucket(monkeypatch) as address:
        yield f"{address}/of/prints"


@pytest.fixture(params=["folder", "memory", "s3"])
def objects(request, tmp_path):
    if request.param == "folder":
        return open_objects("", tmp_path / "objects")
    pytest.importorskip("obstore")
    return open_objects("memory://" if request.param == "memory" else request.getfixturevalue("s3"), tmp_path)


def test_what_is_put_is_got_and_listed_until_it_is_deleted(objects):
    objects.put("prints/7/a.jpg", b"first")
    objects.put("prints/7/a.jpg", b"second")
    objects.put("prints/7/b.jpg", b"\0" * 70_000)
    objects.put("prints/71/c.jpg", b"of another account")
    assert objects.get("prints/7/a.jpg") == b"second"
    assert {(one.name, one.size) for one in objects.list("prints/7")} == {
        ("prints/7/a.jpg", 6),
        ("prints/7/b.jpg", 70_000),
    }
    objects.delete(["prints/7/a.jpg", "prints/7/never-there.jpg", "prints/7/b.jpg"])
    assert list(objects.list("prints/7")) == []
    assert objects.get("prints/71/c.jpg") == b"of another account"


def test_a_missing_object_is_reported_as_missing(objects):
    with pytest.raises(ObjectMissing):
        objects.get("prints/7/a.jpg")
    assert list(objects.list("prints")) == []


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../b", "a//b", "a/", "", ".hidden", "a\\b", "a\0", "a" * 201]
)
def test_a_name_never_leaves_the_store(objects, name):
    for work in (lambda: objects.put(name, b""), lambda: objects.get(name), lambda: objects.delete([name])):
        with pytest.raises(ValueError, match="not the name of an object"):
            work()


def test_files_are_for_their_owner_only_and_empty_folders_go(tmp_path):
    objects = open_objects("", tmp_path / "objects")
    objects.put("prints/7/a.jpg", b"x")
    path = tmp_path / "objects" / "prints" / "7" / "a.jpg"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    objects.delete(["prints/7/a.jpg"])
    assert not (tmp_path / "objects" / "prints").exists()


def test_a_folder_takes_objects_from_many_threads_while_others_are_deleted(tmp_path):
    objects = open_objects("", tmp_path / "objects")
    failures = []

    def work(number):
        try:
            for turn in range(50):
                objects.put(f"prints/7/{number}_{turn}", b"x")
                objects.delete([f"prints/7/{number}_{turn}"])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "objects").write_text("a file")
    with pytest.raises(StorageUnavailable):
        open_objects("", tmp_path / "objects").put("prints/7/a.jpg", b"x")


def test_a_store_that_does_not_answer_is_unavailable(monkeypatch):
    pytest.importorskip("obstore")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with pytest.raises(StorageUnavailable):
        CloudObjects("s3://pictures").get("prints/7/a.jpg")


def test_an_address_of_no_object_store_is_refused():
    with pytest.raises(ValueError, match="s3://"):
        CloudObjects("ftp://example.org/pictures")
