"""A process that follows another in the same place goes on with what that one had measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from layerwatch.app import create_app
from layerwatch.calibration import CALIBRATION_MAX_AGE_S
from layerwatch.config import Settings, load
from layerwatch.fleet.models import Node
from layerwatch.services import Services
from layerwatch.storage import Database
from layerwatch.vision import Vision
from tests.support.fake_detector import FakeDetector


async def one_life(settings: Settings, capacity: float = 1.0, ago: float = 0.0) -> tuple[float, int]:
    """The capacity with which a process begins, and how many pictures it has looked at by then.

    capacity: what it says at its end to have had, `ago` seconds before.
    """
    detector = FakeDetector()
    app = create_app(settings, vision=Vision(detector))
    services: Services = app.state.services
    async with app.router.lifespan_context(app):
        began = services.capacity.per_second, sum(detector.batches)
    database = Database(settings.database_url)
    with database.write() as session:
        seen = datetime.now(UTC) - timedelta(seconds=ago)
        session.execute(update(Node).values(capacity=capacity, seen_at=seen))
    database.close()
    return began


async def test_a_recent_measurement_holds_and_an_old_one_is_made_anew(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path, log_level="error")
    _, looked = await one_life(settings, 4321.0, CALIBRATION_MAX_AGE_S / 2)
    assert looked > 0
    assert await one_life(settings, 4321.0, CALIBRATION_MAX_AGE_S * 2) == (4321.0, 0)
    capacity, looked = await one_life(settings)
    assert looked > 0 and capacity != 4321.0
