"""Layerwatch on Ray Serve with a clock and a detector that a test steers."""

from __future__ import annotations

from typing import Any

from ray.serve import Application

from layerwatch.config import Settings
from layerwatch.rayserve.api import Api
from layerwatch.rayserve.application import assemble
from layerwatch.rayserve.detectors import Config, Detectors
from layerwatch.vision import Detector
from tests.support.shared_doubles import SharedClock, SharedDetector


class TestApi(Api):
    """The API by the test's clock."""

    def _more(self, settings: Settings) -> dict[str, Any]:
        return {"clock": SharedClock(settings.data_dir)}


class TestDetectors(Detectors):
    """The detector's double, steered from the server's folder."""

    def _open(self, name: str, config: Config) -> Detector:
        return SharedDetector(self._settings.data_dir)


def application(args: dict[str, Any]) -> Application:
    """For a Serve file's `import_path`."""
    return assemble(args, api=TestApi, detectors=TestDetectors)
