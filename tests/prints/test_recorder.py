"""What calls saw is written down off their path: course, outcome, and pictures where the account says so."""

import threading
import time
from datetime import timedelta

import pytest

from layerwatch.identity.models import Account
from layerwatch.learning.recent import RecentPicture
from layerwatch.prints import picture_repository, repository
from layerwatch.prints import recorder as recorder_module
from layerwatch.prints.kept_pictures import FOLDER, SIDE, delete_beyond, object_name, read_copy
from layerwatch.prints.models import KeptPictureRow, PrintRow
from layerwatch.prints.moments import Moment
from layerwatch.prints.recorder import MAX_PICTURES, PrintRecorder, RecordedPicture
from layerwatch.prints.retention import PrintSweeper, delete_whole_prints
from layerwatch.storage import ObjectMissing, StorageUnavailable, open_objects
from layerwatch.vision import Vision
from layerwatch.vision.evidence import Condition
from tests.support.accounts import NOON
from tests.support.fake_detector import FakeDetector, picture
from tests.support.prints import frame

DAYS = timedelta(days=1)


@pytest.fixture(scope="module")
def looked_at():
    with Vision(FakeDetector()) as vision:
        jpeg = picture(0.6, 1280, 720)
        yield RecentPicture(jpeg, vision.inspect(jpeg), 40.0)


@pytest.fixture
def objects(tmp_path):
    return open_objects("", tmp_path / "objects")


@pytest.fixture
def counts():
    return {}


@pytest.fixture
def recorder(database, objects, counts):
    def count(outcome, number):
        counts[outcome] = counts.get(outcome, 0) + number

    return PrintRecorder(database, objects, 90 * DAYS, count)


def account(database, *, keeps):
    with database.write() as session:
        row = Account(
            name="a",
            price_book="standard",
            free_only=False,
            keep_pictures=keeps,
            created_at=NOON,
            blocked_from=None,
            billing_email=None,
        )
        session.add(row)
        session.flush()
        return row.id


def seen(context="print1", second=40, quality=9, account_id=1, **changes):
    values = {
        "second": second,
        "quality": quality,
        "score": 10 * (10 - quality),
        "warning": quality <= 3,
        "pause": quality <= 1,
        "halted": False,
        "kind": "spaghetti" if quality <= 5 else None,
        "condition": Condition.OK,
        "note": None,
        "probability": 0.5,
        "usual": 0.02,
        "failing": 0.4,
        "excursion": 0.1,
        "evidence": 1.5,
        **changes,
    }
    at = NOON + timedelta(seconds=second)
    return RecordedPicture(context, account_id, NOON, at, Moment(**values), None)


async def test_a_prints_course_and_outcome_are_kept(database, recorder, looked_at):
    for second, quality in ((40, 9), (3590, 4), (3630, 1), (3670, 8)):
        recorder.saw(seen(second=second, quality=quality), looked_at)
    await recorder.flush()
    recorder.saw(seen(second=3710, quality=10), looked_at)
    await recorder.close()
    with database.read() as session:
        course = repository.timeline(session, "print1")
        row = session.get(PrintRow, "print1")
        session.expunge(row)
    assert [(one.second, one.quality) for one in course] == [
        (40, 9),
        (3590, 4),
        (3630, 1),
        (3670, 8),
        (3710, 10),
    ]
    assert (row.pictures, row.quality, row.worst, row.kind) == (5, 10, 1, "spaghetti")
    assert row.warned_at == row.paused_at == NOON + timedelta(seconds=3630)
    assert row.expires_at == NOON + timedelta(seconds=3710) + 90 * DAYS


async def test_two_processes_write_the_course_of_one_print(database, objects, recorder, looked_at):
    other = PrintRecorder(database, objects, 90 * DAYS, lambda *_: None)
    other.saw(seen(second=80), looked_at)
    await other.close()
    recorder.saw(seen(second=40), looked_at)
    await recorder.close()
    with database.read() as session:
        assert [one.second for one in repository.timeline(session, "print1")] == [40, 80]


async def test_pictures_are_kept_only_where_the_account_says_so(
    database, objects, recorder, looked_at, counts
):
    keeps, keeps_none = account(database, keeps=True), account(database, keeps=False)
    await recorder.flush()
    recorder.saw(seen("one", account_id=keeps), looked_at)
    recorder.saw(seen("two", account_id=keeps_none), looked_at)
    await recorder.close()
    assert [one.name for one in objects.list(FOLDER)] == [object_name(keeps, "one", 40)]
    assert counts == {"kept": 1}
    copy = read_copy(objects, keeps, "one", 40)
    assert len(copy.jpeg) < len(looked_at.jpeg) / 3
    assert copy.evidence.heat == looked_at.evidence.heat and copy.evidence.boxes == looked_at.evidence.boxes


async def test_a_copy_is_small_whatever_the_picture_was(database, objects, recorder, looked_at):
    import io

    from PIL import Image

    keeps = account(database, keeps=True)
    await recorder.flush()
    recorder.saw(seen("one", account_id=keeps), looked_at)
    await recorder.close()
    with Image.open(io.BytesIO(read_copy(objects, keeps, "one", 40).jpeg)) as image:
        assert max(image.size) == SIDE


async def test_a_full_queue_loses_pictures_and_counts_them(
    database, objects, recorder, looked_at, counts, monkeypatch
):
    keeps = account(database, keeps=True)
    await recorder.flush()
    monkeypatch.setattr(recorder_module, "MAX_WAITING", MAX_PICTURES + 1)
    for number in range(MAX_PICTURES + 3):
        recorder.saw(seen(second=number * 20, account_id=keeps), looked_at)
    assert counts == {"dropped": 3, "moments": 2}
    await recorder.close()
    assert counts["kept"] == MAX_PICTURES == len(list(objects.list(FOLDER)))


async def test_what_is_seen_while_the_database_is_away_is_written_later(database, recorder, looked_at):
    transact, away = database.transact, True

    def sometimes(work, *args):
        if away:
            raise StorageUnavailable("away")
        return transact(work, *args)

    database.transact = sometimes
    recorder.saw(seen(second=40), looked_at)
    await recorder.flush()
    assert recorder.waiting == 1
    away = False
    await recorder.close()
    with database.read() as session:
        assert [one.second for one in repository.timeline(session, "print1")] == [40]


async def test_a_picture_that_cannot_be_stored_is_counted(database, recorder, looked_at, tmp_path, counts):
    keeps = account(database, keeps=True)
    (tmp_path / "objects").write_text("a file where the folder should be")
    await recorder.flush()
    recorder.saw(seen(account_id=keeps), looked_at)
    await recorder.close()
    assert counts == {"failed": 1}


async def keep(database, recorder, looked_at, account_id, contexts, pictures=3):
    await recorder.flush()
    for number, context in enumerate(contexts):
        for step in range(pictures):
            recorder.saw(seen(context, second=1000 * number + 20 * step, account_id=account_id), looked_at)
        await recorder.flush()


async def test_the_oldest_pictures_beyond_the_megabytes_go_first(database, objects, recorder, looked_at):
    keeps, other = account(database, keeps=True), account(database, keeps=True)
    await keep(database, recorder, looked_at, keeps, ["old", "new"])
    await keep(database, recorder, looked_at, other, ["small"], pictures=1)
    with database.read() as session:
        (size,) = set(session.query(KeptPictureRow.size).filter_by(context_id="new").distinct())
    assert delete_beyond(database, objects, 4 * size[0]) == 2
    with database.read() as session:
        assert picture_repository.kept_seconds(session, "old") == [40]
        assert len(picture_repository.kept_seconds(session, "new")) == 3
        assert len(picture_repository.kept_seconds(session, "small")) == 1
    assert len(list(objects.list(FOLDER))) == 5


async def test_the_sweep_removes_what_is_over(database, objects, recorder, looked_at):
    keeps = account(database, keeps=True)
    await keep(database, recorder, looked_at, keeps, ["one"])
    sweeper = PrintSweeper(database, objects, pictures_for=30 * DAYS, picture_bytes=10**9)
    sweeper.sweep(NOON + 29 * DAYS)
    assert len(list(objects.list(FOLDER))) == 3
    sweeper.sweep(NOON + 31 * DAYS)
    assert list(objects.list(FOLDER)) == []
    with database.read() as session:
        assert session.get(PrintRow, "one") is not None
        assert len(repository.timeline(session, "one")) == 3
    sweeper.sweep(NOON + 91 * DAYS)
    with database.read() as session:
        assert session.get(PrintRow, "one") is None
        assert repository.timeline(session, "one") == []


async def test_an_account_keeps_its_newest_prints(database, objects, recorder, looked_at, monkeypatch):
    monkeypatch.setattr(repository, "MAX_PRINTS_PER_ACCOUNT", 2)
    for number in range(4):
        recorder.saw(
            RecordedPicture(f"p{number}", 1, NOON + number * DAYS, NOON + number * DAYS, seen().moment, None),
            looked_at,
        )
    recorder.saw(seen("other", account_id=2), looked_at)
    await recorder.close()
    PrintSweeper(database, objects, pictures_for=DAYS, picture_bytes=1).sweep(NOON)
    with database.read() as session:
        assert sorted(row.context_id for row in session.query(PrintRow)) == ["other", "p2", "p3"]


async def test_a_print_is_deleted_with_all_that_belongs_to_it(database, objects, recorder, looked_at):
    keeps = account(database, keeps=True)
    await keep(database, recorder, looked_at, keeps, ["one", "two"])
    assert delete_whole_prints(database, objects, ["one"]) == 1
    with database.read() as session:
        assert (
            repository.timeline(session, "one") == []
            and picture_repository.kept_seconds(session, "one") == []
        )
        assert len(repository.timeline(session, "two")) == 3
    with pytest.raises(ObjectMissing):
        read_copy(objects, keeps, "one", 0)


async def test_objects_without_a_row_are_removed_once_they_are_an_hour_old(
    database, objects, recorder, looked_at
):
    keeps = account(database, keeps=True)
    await keep(database, recorder, looked_at, keeps, ["one"])
    objects.put(f"{FOLDER}/{keeps}/gone/00000040", b"of another node")
    objects.put(f"{FOLDER}/strange", b"?")
    sweeper = PrintSweeper(database, objects, pictures_for=30 * DAYS, picture_bytes=10**9)
    (written_at,) = {one.written_at for one in objects.list(FOLDER) if one.name.endswith("gone/00000040")}
    assert sweeper.remove_orphans(written_at + timedelta(minutes=50)) == 0
    assert sweeper.remove_orphans(written_at + timedelta(minutes=70)) == 2
    assert len(list(objects.list(FOLDER))) == 3


def test_a_call_does_not_wait_for_the_disk_and_writes_nothing_to_it(server, monkeypatch):
    """While the object store hangs, calls are answered; what they saw is kept once it is back."""
    key, account_id = server.new_key_of()
    with server.services.database.write() as session:
        session.get(Account, account_id).keep_pictures = True
    hangs, put_by = threading.Event(), []

    def put(name, data):
        put_by.append(threading.current_thread().name)
        assert hangs.wait(20)

    monkeypatch.setattr(server.services.objects, "put", put)
    monkeypatch.setattr(recorder_module, "ACCOUNTS_PERIOD_S", 0.0)
    context = server.new_context(key)
    for number in range(200):
        server.clock.advance(60)
        assert server.process(key, context, frame(0.05, number)).status_code == 200
        if put_by:
            break
        time.sleep(0.05)
    for number in range(3):
        server.clock.advance(60)
        assert server.process(key, context, frame(0.05, 300 + number)).status_code == 200
    hangs.set()
    assert {name.rsplit("_", 1)[0] for name in put_by} == {"layerwatch-prints"}
