"""Metrics of several workers, and each worker's share of the server's settings."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerwatch.config import Settings
from layerwatch.learning.recent import RecentPicture, RecentPictures
from layerwatch.serving.peers import WorkerPeers
from layerwatch.serving.worker import WorkerSlot
from layerwatch.telemetry.metrics import Metrics, merge
from layerwatch.vision import Vision
from tests.support.fake_detector import FakeDetector, picture


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lw-") as made:  # short: a socket's name may have 108 characters
        yield Path(made)


def counted(requests: int) -> Metrics:
    metrics = Metrics()
    for _ in range(requests):
        metrics.answered("/x", 200, 0.03)
    metrics.gauge("capacity_per_second", "Measured.", lambda: float(requests))
    return metrics


def sibling(folder: Path, number: int, requests: int, recent: RecentPictures | None = None) -> WorkerPeers:
    return WorkerPeers(folder, number, counted(requests).text, (recent or RecentPictures()).held)


def held(second: float) -> RecentPicture:
    with Vision(FakeDetector()) as vision:
        jpeg = picture(0.4)
        return RecentPicture(jpeg, vision.inspect(jpeg), second)


def test_a_picture_crosses_from_process_to_process_unchanged() -> None:
    with Vision(FakeDetector()) as vision:
        jpeg = picture(0.4)
        kept = RecentPicture(jpeg, vision.inspect(jpeg), 12.5)
    assert RecentPicture.from_bytes(kept.to_bytes()) == kept


async def test_the_newest_picture_of_a_print_is_found_wherever_it_was_judged(folder: Path) -> None:
    here, there = RecentPictures(), RecentPictures()
    mine, other = sibling(folder, 0, 1, here), sibling(folder, 1, 1, there)
    here.elsewhere = mine.pictures
    await mine.open()
    await other.open()
    here.put("both", held(20.0))
    there.put("both", held(60.0))
    there.put("theirs", held(40.0))
    here.put("mine", held(5.0))

    async def second(context: str) -> float | None:
        found = await asyncio.to_thread(here.get, context)
        return found.second if found else None

    assert [await second(one) for one in ("both", "theirs", "mine", "nobody's")] == [60.0, 40.0, 5.0, None]
    await other.close()
    assert await second("theirs") is None
    await mine.close()


async def test_any_worker_reports_the_metrics_of_all(folder: Path) -> None:
    siblings = [sibling(folder, number, number + 1) for number in range(3)]
    for one in siblings:
        await one.open()
    try:
        for one in siblings:
            metrics_by_worker = await one.metrics()
            assert sorted(metrics_by_worker) == ["0", "1", "2"]
            text = merge(metrics_by_worker).decode()
            for number in range(3):
                labels = f'{{route="/x",status="200",worker="{number}"}}'
                assert f"layerwatch_requests_total{labels} {number + 1}.0" in text
                assert f'layerwatch_capacity_per_second{{worker="{number}"}} {number + 1}.0' in text
    finally:
        for one in siblings:
            await one.close()


def test_merged_metrics_are_valid_each_metric_in_one_piece() -> None:
    text = merge({"0": counted(1).text(), "1": counted(2).text()}).decode()
    assert text.count("# TYPE layerwatch_requests_total counter") == 1
    assert text.count("# TYPE layerwatch_request_seconds histogram") == 1
    assert 'layerwatch_request_seconds_bucket{le="0.05",route="/x",worker="1"} 2.0' in text


async def test_a_sibling_that_is_gone_is_left_out(folder: Path) -> None:
    here = sibling(folder, 0, 1)
    (folder / "1.sock").touch()  # what a killed process leaves behind: nobody listens at it
    await here.open()
    assert sorted(await here.metrics()) == ["0"]
    await here.close()


async def test_one_that_is_started_again_takes_its_place(folder: Path) -> None:
    before, here = sibling(folder, 1, 1), sibling(folder, 0, 1)
    await before.open()
    again = sibling(folder, 1, 7)
    await again.open()
    metrics_by_worker = await here.metrics()
    assert b'status="200"} 7.0' in metrics_by_worker["1"]
    await again.close()


def test_workers_share_what_the_server_may_use(folder: Path) -> None:
    settings = Settings(data_dir=folder, queue_length=65, upload_memory=1000)
    share = WorkerSlot(0, 4, folder).share(settings, cores=8)
    assert (share.detector_threads, share.queue_length, share.upload_memory) == (2, 17, 250)


def test_every_worker_has_a_detector_thread(folder: Path) -> None:
    assert WorkerSlot(0, 4, folder).share(Settings(data_dir=folder), cores=2).detector_threads == 1
