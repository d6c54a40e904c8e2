"""Layerwatch on Ray Serve with a clock and a detector that a test steers."""

from __future__ import annotations

from pathlib import Path
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
    """The detector's double; its `model` is the folder from which it is steered."""

    def _open(self, config: Config) -> Detector:
        return SharedDetector(Path(config.model))


def application(args: dict[str, Any]) -> Application:
    """For a Serve file's `import_path`."""
    return assemble(args, api=TestApi, detectors=TestDetectors)
