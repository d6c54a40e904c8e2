"""Have the pictures, the scores or the alarms changed?"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import numpy as np
import pytest

from layerwatch.drift import DriftCounts, DriftMonitor, Sighting, population_stability
from layerwatch.drift.overview import drift_table, printers_table
from layerwatch.drift.repository import day_of, delete_old
from layerwatch.prints.models import PrintRow
from layerwatch.storage import Database, DatabaseGateway
from layerwatch.telemetry.metrics import MAX_MODELS, Metrics
from layerwatch.vision.camera_kind import camera_kind
from tests.support.clocks import ManualClock


def counts(mean: float, pictures: int = 2000) -> DriftCounts:
    rng, found = random.Random(0), DriftCounts()
    for _ in range(pictures):
        found.add(min(1.0, rng.expovariate(1 / mean)), "ok", alarm=False)
    return found


def test_the_same_distribution_has_an_index_near_zero() -> None:
    assert population_stability(counts(0.1).scores, counts(0.1, 1500).scores) < 0.02


def test_the_index_grows_with_the_shift_and_is_symmetric() -> None:
    near, far = counts(0.13).scores, counts(0.3).scores
    reference = counts(0.1).scores
    assert population_stability(reference, near) < population_stability(reference, far)
    assert population_stability(reference, far) == pytest.approx(population_stability(far, reference))
    assert population_stability(reference, far) > 0.25


def test_the_index_is_the_textbook_sum() -> None:
    """100 pictures each: (q - p) ln(q / p) over both bins, with half a picture added to every bin."""
    p, q = 80.5 / 101, 60.5 / 101
    expected = (q - p) * np.log(q / p) + (p - q) * np.log((1 - q) / (1 - p))
    assert population_stability([80, 20], [60, 40]) == pytest.approx(expected)


def test_counts_survive_the_table() -> None:
    before = counts(0.2, 50)
    assert DriftCounts.of(before.pictures, before.alarms, before.to_json()) == before


@pytest.mark.parametrize(
    ("colour", "width", "kind"),
    [
        ((90, 90, 92), 640, "grey-640"),
        ((200, 90, 30), 1280, "color-1280"),
        ((0, 90, 30), 4000, "color-larger"),
    ],
)
def test_the_kind_of_a_camera_is_its_colour_and_width(
    colour: tuple[int, int, int], width: int, kind: str
) -> None:
    assert camera_kind(np.full((48, 64, 3), colour, np.uint8), width) == kind


class Watched:
    """A monitor on a database, and pictures of one printer for it to see."""

    def __init__(self, database: Database) -> None:
        self.clock, self.metrics, self.database = ManualClock(), Metrics(), database
        self.monitor = DriftMonitor(DatabaseGateway(database), self.metrics, self.clock.now)
        now = self.clock.now()
        with database.write() as session:
            session.add(
                PrintRow(
                    context_id="print",
                    account_id=7,
                    opened_at=now,
                    expires_at=now + timedelta(days=90),
                    printer="Mk4",
                )
            )

    def see(self, probability: float, pictures: int, *, alarm: bool = False, condition: str = "ok") -> None:
        one = Sighting("print", 7, "model-1", "color-640", probability, condition, alarm)
        for _ in range(pictures):
            self.monitor.saw(one)
        asyncio.run(self.monitor.write())

    def pass_days(self, days: float) -> None:
        self.clock.advance(days * 86_400)


@pytest.fixture
def watched(database: Database) -> Watched:
    return Watched(database)


def test_a_model_whose_scores_shift_shows_a_large_change(watched: Watched) -> None:
    watched.see(0.03, 300)
    watched.pass_days(5)
    watched.see(0.6, 250, alarm=True)
    with watched.database.read() as session:
        (row,) = drift_table(session, watched.clock.now())
        (printer,) = printers_table(session, watched.clock.now())
    assert (row["change"], row["alarm_rate"], row["reference_alarm_rate"]) == ("large", 1.0, 0.0)
    assert (printer["account_id"], printer["printer"], printer["change"]) == (7, "Mk4", "large")
    asyncio.run(watched.monitor.compare())
    text = watched.metrics.text().decode()
    assert 'layerwatch_drift{camera="color-640",model="model-1",of="scores"}' in text
    assert "Mk4" not in text


def test_dark_pictures_shift_the_conditions_and_not_the_scores(watched: Watched) -> None:
    watched.see(0.03, 300)
    watched.pass_days(5)
    watched.see(0.03, 300, condition="dark")
    with watched.database.read() as session:
        (row,) = drift_table(session, watched.clock.now())
    assert row["conditions"] > 0.25 > 0.1 > row["scores"]


def test_nothing_is_said_of_few_pictures(watched: Watched) -> None:
    watched.see(0.03, 300)
    watched.pass_days(5)
    watched.see(0.9, 20)
    with watched.database.read() as session:
        (row,) = drift_table(session, watched.clock.now())
    assert (row["scores"], row["change"], row["pictures"]) == (None, "", 20)


def test_counts_are_forgotten_after_a_month(watched: Watched) -> None:
    watched.see(0.03, 10)
    watched.pass_days(31)
    asyncio.run(watched.monitor.compare())
    with watched.database.write() as session:
        assert delete_old(session, day_of(watched.clock.now())) == 0
        assert drift_table(session, watched.clock.now() - timedelta(days=31)) == []


def test_the_number_of_models_on_the_metrics_is_bounded() -> None:
    metrics = Metrics()
    for n in range(MAX_MODELS + 5):
        metrics.scored(f"model-{n}", "color-640", 0.1, "ok", alarm=False)
    text = metrics.text().decode()
    assert text.count("layerwatch_alarms_total{") == MAX_MODELS + 1
    assert 'layerwatch_alarms_total{camera="color-640",model="other"}' in text
