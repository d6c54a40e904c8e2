"""Prometheus metrics of one server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


_PROBABILITIES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)

MAX_MODELS = 12
"""Versions that one process shows by name, so that the number of time series is bounded."""


class Batch(Protocol):
    """One call of the detector. size: pictures.  waited: seconds that the oldest one waited."""

    @property
    def size(self) -> int: ...

    @property
    def waited(self) -> float: ...


class Metrics:
    """What is counted. Each server has its own registry, so that tests may run several."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "layerwatch_requests_total",
            "Answers by route and status.",
            ("route", "status"),
            registry=registry,
        )
        self._latency = Histogram(
            "layerwatch_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=registry
        )
        self._errors = Counter(
            "layerwatch_errors_total", "Refusals by ErrorType.", ("type",), registry=registry
        )
        self._inspections = Counter(
            "layerwatch_inspections_total",
            "Successful inspections by what was decided and the picture's condition.",
            ("decision", "condition"),
            registry=registry,
        )
        self._repeats = Counter(
            "layerwatch_repeats_total", "Idempotent repeats, answered from storage.", registry=registry
        )
        self._intervals = Histogram(
            "layerwatch_interval_seconds",
            "NextProcessIntervalSec given.",
            ("look",),
            buckets=(20, 25, 30, 35, 40, 45, 50, 60, 80, 120, 200, 300),
            registry=registry,
        )
        self._batches = Histogram(
            "layerwatch_batch_pictures",
            "Pictures in one call of the detector.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=registry,
        )
        self._waits = Histogram(
            "layerwatch_batch_wait_seconds",
            "Wait of a batch's oldest picture for the detector.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._contexts = Counter("layerwatch_contexts_total", "Contexts opened.", registry=registry)
        self._kept_pictures = Counter(
            "layerwatch_kept_pictures_total",
            "Small copies of pictures: kept, dropped because too many waited, or failed.",
            ("outcome",),
            registry=registry,
        )
        self._moments_lost = Counter(
            "layerwatch_print_moments_lost_total",
            "Answers that are missing in a print's course, because too many waited.",
            registry=registry,
        )
        self._scores = Histogram(
            "layerwatch_failure_probability",
            "Failure probability of single pictures.",
            ("model", "camera"),
            buckets=_PROBABILITIES,
            registry=registry,
        )
        self._conditions = Counter(
            "layerwatch_picture_conditions_total",
            "Pictures by condition.",
            ("model", "camera", "condition"),
            registry=registry,
        )
        self._alarms = Counter(
            "layerwatch_alarms_total",
            "Pictures whose answer warned or suggested a pause.",
            ("model", "camera"),
            registry=registry,
        )
        self._drift = Gauge(
            "layerwatch_drift",
            "Population stability index of the last two days against the four weeks before.",
            ("model", "camera", "of"),
            registry=registry,
        )
        self._models: set[str] = set()
        self._drop_ins = Counter(
            "layerwatch_obico_pictures_total",
            "Calls in Obico's form by what came of them.",
            ("outcome",),
            registry=registry,
        )

    def print_recorded(self, outcome: str, number: int) -> None:
        """Copies of pictures were kept, dropped or failed, or moments of prints were lost."""
        if outcome == "moments":
            self._moments_lost.inc(number)
        else:
            self._kept_pictures.labels(outcome).inc(number)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def refused(self, error_type: str) -> None:
        """A request was refused."""
        self._errors.labels(error_type).inc()

    def opened(self) -> None:
        """A context was opened."""
        self._contexts.inc()

    def dropped_in(self, outcome: str) -> None:
        """A call in Obico's form was answered: failure, clear, unfit, or why it was not inspected."""
        self._drop_ins.labels(outcome).inc()

    def inspected(self, decision: str, condition: str, *, suspicious: bool, interval: float) -> None:
        """A Process call succeeded. decision: pause, warning or none. interval: recommended, seconds."""
        self._inspections.labels(decision, condition).inc()
        self._intervals.labels("suspicious" if suspicious else "healthy").observe(interval)

    def scored(self, model: str, camera: str, probability: float, condition: str, *, alarm: bool) -> None:
        """A picture was scored. model: version.  camera: its kind.  probability: of a failure, 0..1."""
        labels = (self._model_label(model), camera)
        self._scores.labels(*labels).observe(probability)
        self._conditions.labels(*labels, condition).inc()
        self._alarms.labels(*labels).inc(alarm)

    def drifted(self, model: str, camera: str, scores: float, conditions: float) -> None:
        """How far the newest pictures differ from those before: two population stability indices."""
        model = self._model_label(model)
        self._drift.labels(model, camera, "scores").set(scores)
        self._drift.labels(model, camera, "conditions").set(conditions)

    def _model_label(self, model: str) -> str:
        """The version, or `other` once this process has seen `MAX_MODELS`."""
        if model not in self._models and len(self._models) >= MAX_MODELS:
            return "other"
        self._models.add(model)
        return model

    def repeated(self) -> None:
        """A Process call was answered from its Idempotency-Key."""
        self._repeats.inc()

    def batch(self, report: Batch) -> None:
        """The detector was called; reported from its own thread."""
        self._batches.observe(report.size)
        self._waits.observe(report.waited)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show a value that is read when the metrics are."""
        Gauge(f"layerwatch_{name}", meaning, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)


def totals(texts: Iterable[bytes], name: str, label: str) -> dict[str, int]:
    """A counter's samples by the value of one label, summed over the metrics of several processes.

    name: as exported, with `_total`.
    """
    found: dict[str, int] = {}
    for text in texts:
        for family in text_string_to_metric_families(text.decode()):
            for sample in family.samples:
                if sample.name == name:
                    value = sample.labels[label]
                    found[value] = found.get(value, 0) + int(sample.value)
    return found


def merge(texts: Mapping[str, bytes]) -> bytes:
    """The metrics of several processes as one text; each sample gets its process's name as label `worker`.

    Nothing is added up here: Prometheus does that, and knows how when one of them starts again from 0.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged(texts))
    return generate_latest(registry)


class _Merged(Collector):
    """Samples of several processes, sorted by metric as the text format wants them."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for worker, text in self._texts.items():
            for family in text_string_to_metric_families(text.decode()):
                into = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    into.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
        return merged.values()
