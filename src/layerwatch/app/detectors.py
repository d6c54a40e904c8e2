"""The detectors that a server begins with and changes to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from layerwatch.config import Settings
from layerwatch.core.clock import Clock
from layerwatch.learning.rollout import LiveModels
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.telemetry.metrics import Metrics
from layerwatch.vision import Vision
from layerwatch.vision.inspector import Inspector
from layerwatch.vision.model_files import large_file

MakeInspector = Callable[[Metrics], Inspector]
"""Makes what looks at pictures, and lets it report to the metrics."""

OpenModel = Callable[[Metrics, str], Inspector]
"""Makes what looks with the model of this SHA-256. Blocks; raises LearningError, ModelError."""


def live_models(
    settings: Settings,
    metrics: Metrics,
    store: ModelStore,
    clock: Clock,
    vision: Inspector | MakeInspector | None,
    open_model: OpenModel | None,
) -> LiveModels:
    """The detector that the settings name, and the way to open others.

    vision, open_model: put in their place; a vision that is put in place changes to no other model without
    `open_model`. Raises ModelError.
    """
    if vision is None and open_model is None and settings.detector == "standard":

        def open_model(metrics: Metrics, model: str) -> Inspector:
            return _load_vision(settings, metrics, store.path(model))

    return LiveModels(
        vision(metrics) if callable(vision) else vision or _base_vision(settings, metrics),
        partial(open_model, metrics) if open_model else None,
        clock.now,
    )


def _load_vision(settings: Settings, metrics: Metrics, file: Path | None) -> Vision:
    return Vision.load(
        file,
        provider=settings.detector_provider,
        threads=settings.detector_threads,
        on_batch=metrics.batch,
    )


def _base_vision(settings: Settings, metrics: Metrics) -> Vision:
    """What the setting `detector` names."""
    if settings.detector == "standard":
        return _load_vision(settings, metrics, None)
    large = settings.detector == "large"
    file = large_file(settings.data_dir / "models") if large else Path(settings.detector)
    return _load_vision(settings, metrics, file)
