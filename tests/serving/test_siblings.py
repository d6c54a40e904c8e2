"""Metrics of several workers, and each worker's share of the server's settings."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerwatch.api.metrics import Metrics, merge
from layerwatch.config import Settings
from layerwatch.serving.siblings import Siblings
from layerwatch.serving.worker import Seat


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


async def test_whoever_is_asked_tells_of_all(folder: Path) -> None:
    siblings = [Siblings(folder, number, counted(number + 1).text) for number in range(3)]
    for one in siblings:
        await one.open()
    try:
        for one in siblings:
            told = await one.metrics()
            assert sorted(told) == ["0", "1", "2"]
            text = merge(told).decode()
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
    here = Siblings(folder, 0, counted(1).text)
    (folder / "1.sock").touch()  # what a killed process leaves behind: nobody listens at it
    await here.open()
    assert sorted(await here.metrics()) == ["0"]
    await here.close()


async def test_one_that_is_started_again_takes_its_place(folder: Path) -> None:
    before, here = Siblings(folder, 1, counted(1).text), Siblings(folder, 0, counted(1).text)
    await before.open()
    again = Siblings(folder, 1, counted(7).text)
    await again.open()
    told = await here.metrics()
    assert b'status="200"} 7.0' in told["1"]
    await again.close()


def test_workers_share_what_the_server_may_use(folder: Path) -> None:
    settings = Settings(data_dir=folder, queue_length=65, upload_memory=1000)
    share = Seat(0, 4, folder).share(settings, cores=8)
    assert (share.detector_threads, share.queue_length, share.upload_memory) == (2, 17, 250)


def test_every_worker_has_a_detector_thread(folder: Path) -> None:
    assert Seat(0, 4, folder).share(Settings(data_dir=folder), cores=2).detector_threads == 1
