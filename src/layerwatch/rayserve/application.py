"""The Serve application: which deployments there are, and what each starts with."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application

from layerwatch.config import load
from layerwatch.rayserve.api import Api
from layerwatch.rayserve.detectors import Detectors
from layerwatch.rayserve.metrics_hub import MetricsHub

API_CPUS = 0.2
DETECTOR_CPUS = 0.9
"""Of Ray's account of a machine's cores: two cores hold one API replica and two detectors. A detector keeps
one core busy."""

API_SCALING = {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 16}
DETECTOR_SCALING = {
    "min_replicas": 1,
    "max_replicas": 8,
    "target_ongoing_requests": 3,
    "upscale_delay_s": 5,
    "downscale_delay_s": 120,
}
"""Replicas follow the calls that wait or run, by replica: three keep a detector busy with the next batch in
hand and no more than that waiting. Up at once, down slowly."""


def application(args: dict[str, Any]) -> Application:
    """What `serve run layerwatch.rayserve:application` and a Serve file's `import_path` name.

    args: settings by name, as in a settings file; beside them LAYERWATCH_* variables count as always.
    Raises ConfigError for settings that cannot work.
    """
    return assemble(args)


def assemble(
    settings: dict[str, Any], *, api: type[Api] = Api, detectors: type[Detectors] = Detectors
) -> Application:
    """The application out of these classes; tests put their own in place."""
    load(**settings)
    board = serve.deployment(MetricsHub, name="MetricsHub", num_replicas=1, ray_actor_options={"num_cpus": 0})
    looking = serve.deployment(
        detectors,
        name="Detectors",
        user_config={},
        ray_actor_options={"num_cpus": DETECTOR_CPUS},
        autoscaling_config=DETECTOR_SCALING,
        max_ongoing_requests=32,
        graceful_shutdown_timeout_s=30.0,
    )
    answering = serve.deployment(
        serve.ingress()(api),
        name="Api",
        ray_actor_options={"num_cpus": API_CPUS},
        autoscaling_config=API_SCALING,
        max_ongoing_requests=512,  # the application refuses what is too much itself, with its own answers
        graceful_shutdown_timeout_s=40.0,
    )
    return answering.bind(settings, looking.bind(settings), board.bind())
