"""New prints go where there is most to spare; a drained or silent region gets none; rushes are spread."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import Result
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.fleet import repository as fleet
from layerwatch.fleet.models import Node
from layerwatch.fleet.region_router import Region, RegionRouter
from layerwatch.pacing import Bounds, CallSchedule, Capacity, Pacer
from layerwatch.pacing.call_schedule import Prints
from layerwatch.storage import Database

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BOUNDS = Bounds()


def region(name: str, capacity: float, prints: float = 0, *, draining: bool = False) -> Region:
    return Region(name, f"https://{name}.example.org", capacity, Prints(prints, 0), draining)


def router(*regions: Region) -> RegionRouter:
    made = RegionRouter(BOUNDS)
    made.learn(regions)
    return made


def names(made: RegionRouter) -> tuple[str, str]:
    chosen = made.choose()
    assert chosen is not None
    return chosen[0].name, chosen[1].name


def test_the_region_with_the_most_to_spare_is_first_and_another_second() -> None:
    assert names(router(region("ap", 10), region("eu", 100), region("us", 50))) == ("eu", "us")
    assert names(router(region("eu", 100, prints=2900), region("us", 50))) == ("us", "eu")


def test_with_one_region_both_are_the_same() -> None:
    assert names(router(region("eu", 100))) == ("eu", "eu")
    assert RegionRouter(BOUNDS).choose() is None


def test_a_draining_region_is_given_only_as_a_last_resort() -> None:
    assert names(router(region("eu", 100, draining=True), region("us", 1, prints=10**6)))[0] == "us"
    assert names(router(region("eu", 100, draining=True))) == ("eu", "eu")


def test_a_rush_between_two_heartbeats_is_spread_by_what_is_to_spare() -> None:
    made = router(region("eu", 200), region("us", 100))
    given = Counter(names(made)[0] for _ in range(9000))
    assert 1.7 < given["eu"] / given["us"] < 2.4


def test_overloaded_regions_are_stretched_alike() -> None:
    made = router(region("big", 1000, prints=100_000), region("small", 10, prints=900))
    assert names(made)[0] == "small", "it is less overloaded for its size"


def heard(session: Session, name: str, where: str, seen: datetime, capacity: float = 10) -> None:
    fleet.write_heartbeat(
        session,
        id=name,
        region=where,
        url=f"https://{where}",
        capacity=capacity,
        healthy=5,
        suspicious=1,
        seen_at=seen,
    )


def test_a_regions_nodes_are_added_up_and_silent_ones_left_out(database: Database) -> None:
    with database.write() as session:
        for name, where, ago in (("a", "eu", 0), ("b", "eu", 10), ("c", "eu", 60), ("d", "us", 60)):
            heard(session, name, where, NOW - timedelta(seconds=ago))
    with database.read() as session:
        assert fleet.regions(session, NOW) == [Region("eu", "https://eu", 20, Prints(10, 2))]


def test_a_region_drains_until_it_is_undrained(database: Database) -> None:
    with database.write() as session:
        heard(session, "a", "eu", NOW)
        for _ in range(2):
            fleet.drain(session, "eu", NOW)
    with database.write() as session:
        assert [known.draining for known in fleet.regions(session, NOW)] == [True]
        assert fleet.undrain(session, "eu")
    with database.write() as session:
        assert not fleet.undrain(session, "eu")
    with database.read() as session:
        assert [known.draining for known in fleet.regions(session, NOW)] == [False]


def test_nodes_that_ended_long_ago_are_forgotten(database: Database) -> None:
    with database.write() as session:
        heard(session, "old", "eu", NOW - timedelta(hours=2))
        heard(session, "new", "eu", NOW)
        assert session.get(Node, "old", populate_existing=True) is None


def test_a_process_that_follows_another_expects_the_prints_that_it_left() -> None:
    load = CallSchedule()
    pacer = Pacer(BOUNDS, Capacity(20), load)
    pacer.inherit(Prints(3000, 0), 20, ago=20, at=NOW)  # answered 200 s; a tenth came meanwhile
    assert 2650 < load.prints(NOW).healthy < 2750
    late = CallSchedule()
    Pacer(BOUNDS, Capacity(20), late).inherit(Prints(3000, 0), 20, ago=3600, at=NOW)
    assert late.prints(NOW).healthy == 0


def regions(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["regions", *arguments, "--data-dir", str(data_dir)])


def test_regions_are_listed_drained_and_undrained_from_the_command_line(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'layerwatch.sqlite3'}")
    database.migrate()
    with database.write() as session:
        heard(session, "a", "eu", datetime.now(UTC))
    database.close()
    assert json.loads(regions(tmp_path, "drain", "eu", "--json").output) == {"region": "eu", "draining": True}
    (listed,) = json.loads(regions(tmp_path, "list", "--json").output)
    assert (listed["region"], listed["capacity"], listed["draining"]) == ("eu", 10.0, True)
    assert regions(tmp_path, "undrain", "eu").exit_code == 0


def test_a_region_that_is_not_there_cannot_be_drained(tmp_path: Path) -> None:
    done = regions(tmp_path, "drain", "mars")
    assert done.exit_code == 1
    assert "mars" in done.output
