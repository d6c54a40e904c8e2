"""What the status page is computed from: nodes' diaries, added up by region, hour and minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from layerwatch.fleet.models import Node
from layerwatch.status.models import StatusHour
from layerwatch.status.report import RegionStatus, Status, remove_region, status
from layerwatch.status.uptime_recorder import Hour, UptimeRecorder, add
from layerwatch.storage import Database

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL_UP = (1 << 60) - 1


class Now:
    """A time that the test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def alive(database: Database, region: str, at: datetime) -> None:
    with database.write() as session:
        session.merge(
            Node(id=region, region=region, url="", capacity=20.0, healthy=3.0, suspicious=1.0, seen_at=at)
        )


def write(database: Database, hours: dict[datetime, Hour], region: str = "eu") -> None:
    with database.write() as session:
        add(session, region, hours, max(hours))


def read(database: Database, now: datetime) -> Status:
    with database.read() as session:
        return status(session, now)


def eu(database: Database, now: datetime) -> RegionStatus:
    return next(region for region in read(database, now).regions if region.name == "eu")


def test_a_minute_is_up_when_any_node_lived_in_it(database: Database) -> None:
    write(database, {NOON: Hour(up=0b0111)})
    write(database, {NOON: Hour(up=0b1100)})
    with database.read() as session:
        assert [row.up for row in session.query(StatusHour)] == [0b1111]


def test_the_calls_of_all_nodes_add_up(database: Database) -> None:
    for _ in range(2):
        write(database, {NOON: Hour(up=1, answered=10, refused=2, failed=1, times=[5, 4, 1, 0, 0, 0, 0])})
    report = eu(database, NOON + timedelta(hours=1))
    assert (report.calls, report.refused, report.failed) == (26, 4, 2)
    assert (report.median_ms, report.p99_ms) == (50, 200)


def test_minutes_without_a_node_are_downtime_and_an_incident(database: Database) -> None:
    silent = 0b111111 << 20  # six minutes from 12:20
    write(database, {NOON: Hour(up=ALL_UP & ~silent), NOON + timedelta(hours=1): Hour(up=ALL_UP)})
    now = NOON + timedelta(hours=2)
    alive(database, "eu", now)
    report = read(database, now)
    (incident,) = report.incidents
    assert (incident.kind, incident.since, incident.until) == (
        "down",
        NOON + 20 * MINUTE,
        NOON + 26 * MINUTE,
    )
    known = 117  # to three minutes ago
    assert report.regions[0].up_90d == pytest.approx((known - 6) / known)


def test_an_hour_of_which_nothing_was_written_is_downtime(database: Database) -> None:
    write(database, {NOON: Hour(up=ALL_UP), NOON + timedelta(hours=2): Hour(up=ALL_UP)})
    now = NOON + timedelta(hours=3)
    alive(database, "eu", now)
    (incident,) = read(database, now).incidents
    assert (incident.since, incident.until) == (NOON + timedelta(hours=1), NOON + timedelta(hours=2))


def test_a_region_that_is_not_heard_is_down_until_it_is(database: Database) -> None:
    write(database, {NOON: Hour(up=(1 << 30) - 1)})
    now = NOON + 50 * MINUTE
    report = read(database, now)
    assert report.regions[0].state == "down"
    assert [(one.kind, one.since, one.until) for one in report.incidents] == [
        ("down", NOON + 30 * MINUTE, None)
    ]
    alive(database, "eu", now)
    report = read(database, now)
    assert report.regions[0].state == "up"
    assert report.incidents[0].until is not None


def test_the_time_before_a_region_was_known_is_not_downtime(database: Database) -> None:
    write(database, {NOON: Hour(up=ALL_UP & ~((1 << 40) - 1))})  # since 12:40
    now = NOON + timedelta(hours=1, minutes=3)
    alive(database, "eu", now)
    report = eu(database, now)
    assert report.up_90d == report.up_24h == 1.0
    assert report.days[-1].up == 1.0
    assert report.days[0].up is None
    assert len(report.days) == 90


def test_a_short_restart_is_no_incident_but_counts(database: Database) -> None:
    write(database, {NOON: Hour(up=ALL_UP & ~(1 << 30))})
    now = NOON + timedelta(hours=1, minutes=3)
    alive(database, "eu", now)
    assert read(database, now).incidents == []
    assert eu(database, now).up_90d == pytest.approx(59 / 60)


@pytest.mark.parametrize("kind", ["failing", "refusing", "away"])
def test_trouble_in_the_last_minutes_goes_on(database: Database, kind: str) -> None:
    marks = 0b11111 << 50
    write(database, {NOON: Hour(up=ALL_UP, **{kind: marks})})
    now = NOON + 58 * MINUTE
    alive(database, "eu", now)
    report = read(database, now)
    assert report.regions[0].trouble == kind
    assert [(one.kind, one.until) for one in report.incidents] == [(kind, None)]
    write(database, {NOON + timedelta(hours=1): Hour(up=ALL_UP)})
    later = now + timedelta(minutes=30)
    alive(database, "eu", later)
    report = read(database, later)
    assert report.regions[0].trouble is None
    assert report.incidents[0].until == NOON + 55 * MINUTE


def test_a_region_that_is_gone_for_good_can_be_forgotten(database: Database) -> None:
    write(database, {NOON: Hour(up=1)})
    write(database, {NOON: Hour(up=1)}, "us")
    with database.write() as session:
        assert remove_region(session, "us")
        assert not remove_region(session, "nowhere")
    assert [region.name for region in read(database, NOON + MINUTE).regions] == ["eu"]


def test_what_is_older_than_90_days_is_forgotten(database: Database) -> None:
    write(database, {NOON: Hour(up=1)})
    write(database, {NOON + timedelta(days=92): Hour(up=1)})
    with database.read() as session:
        assert session.query(StatusHour).count() == 1


def test_a_diary_counts_calls_by_what_became_of_them_and_marks_bad_minutes() -> None:
    now = Now(NOON)
    diary = UptimeRecorder("eu", lambda: False, now)
    diary.lives()
    for _ in range(19):
        diary.called(200, 0.04, crashed=False)
    diary.called(429, 0.01, crashed=False)  # the sender's own fault
    now.at += MINUTE
    for _ in range(9):
        diary.called(200, 3.0, crashed=False)
    diary.called(503, 0.0, crashed=False)
    now.at += MINUTE
    for _ in range(9):
        diary.called(200, 0.15, crashed=False)
    diary.called(500, 0.0, crashed=True)
    now.at += MINUTE
    hour = diary.take()[NOON]
    assert (hour.answered, hour.refused, hour.failed) == (38, 1, 1)
    assert (hour.up, hour.refusing, hour.failing) == (0b1, 0b10, 0b100)
    assert hour.times == [20, 0, 9, 0, 0, 0, 9]


def test_a_few_bad_calls_in_a_quiet_minute_mark_nothing() -> None:
    now = Now(NOON)
    diary = UptimeRecorder("eu", lambda: False, now)
    diary.called(500, 0.0, crashed=True)
    now.at += MINUTE
    hour = diary.take()[NOON]
    assert (hour.failed, hour.failing) == (1, 0)


def test_a_diary_keeps_what_could_not_be_written() -> None:
    now = Now(NOON)
    away = True
    diary = UptimeRecorder("eu", lambda: away, now)
    diary.lives()
    diary.back(diary.take())
    now.at += 2 * MINUTE
    diary.lives()
    away = False
    now.at += 70 * MINUTE
    diary.lives()
    hours = diary.take()
    assert (hours[NOON].up, hours[NOON].away) == (0b101, 0b101)
    assert hours[NOON + timedelta(hours=1)].away == 0


def test_a_long_outage_does_not_fill_the_memory() -> None:
    now = Now(NOON)
    diary = UptimeRecorder("eu", lambda: True, now)
    for _ in range(100):
        diary.lives()
        diary.back(diary.take())
        now.at += timedelta(hours=1)
    assert len(diary.take()) <= 49
