"""A replica of the API: the same application as `layerwatch serve`, with its detector elsewhere."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette

from layerwatch.api.load_shedding import Door, LoadShedder
from layerwatch.api.single_headers import SingleHeaders
from layerwatch.app import create_app
from layerwatch.config import Settings, load
from layerwatch.rayserve.metrics_hub import MetricsClient
from layerwatch.rayserve.remote import RemoteDetector
from layerwatch.telemetry import logging
from layerwatch.telemetry.metrics import Metrics
from layerwatch.vision import Vision


class Api:
    """What `serve.ingress` makes a deployment of. settings: those given beside LAYERWATCH_* variables."""

    def __init__(
        self, settings: dict[str, Any], detectors: DeploymentHandle[Any], board: DeploymentHandle[Any]
    ) -> None:
        self._settings = load(**settings)
        self._detectors = detectors
        self._board = board

    def __serve_build_asgi_app__(self) -> Starlette:
        settings = self._settings
        rank = serve.get_replica_context().rank.rank
        logging.configure(settings.log_level, settings.log_format, worker=rank)
        app = create_app(
            settings,
            vision=self._vision,
            open_model=self._open_model,
            peers=lambda metrics, _: MetricsClient(self._board, str(rank), metrics.text),
            slot=f"ray {rank}",
            **self._more(settings),
        )
        app.add_middleware(Door, shedder=LoadShedder(app.state.services))
        app.add_middleware(SingleHeaders)
        return app

    def _more(self, settings: Settings) -> dict[str, Any]:
        """What tests put in place."""
        return {}

    def _open_model(self, metrics: Metrics, model: str) -> Vision:
        """Proves that a replica can run it."""
        detector = RemoteDetector(self._detectors, metrics.batch, model)
        detector.check()
        return self._vision(metrics, detector)

    def _vision(self, metrics: Metrics, detector: RemoteDetector | None = None) -> Vision:
        """Decodes here. Its threads only wait for the detectors, so there may be many."""
        return Vision(
            detector or RemoteDetector(self._detectors, metrics.batch),
            workers=self._settings.queue_length,
            max_batch=1,
        )
