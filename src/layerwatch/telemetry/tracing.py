"""Traces by OpenTelemetry, for operators who turn them on (`traces = "otlp"`); else nothing, at no cost.

    with tracing.span("decode"):
        ...

A span stands inside the one that is current where it begins. Where work changes to a thread without its
context, `here()` is taken along and `record` writes down the span afterwards. Attributes are numbers and
names of ours: never a key, a context id, an address or anything a client sent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from layerwatch import __version__
from layerwatch.core.errors import UserError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span, Tracer

_provider: TracerProvider | None = None
_tracer: Tracer | None = None

Value = str | int | float | bool


def start(region: str, name: str, processor: SpanProcessor | None = None) -> None:
    """Trace from now on, in this process. region, name: of this node, for each span.

    processor: what takes the spans; by default OTLP over HTTP, set up by OpenTelemetry's own OTEL_*
    variables, as the sampler is. Raises UserError when layerwatch[otel] is not installed.
    """
    global _provider, _tracer
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError as missing:
        raise UserError(
            "traces need OpenTelemetry: pip install 'layerwatch[otel]', or set traces = \"off\""
        ) from missing
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    about = {
        "service.version": __version__,
        "service.instance.id": f"{socket.gethostname()} {name}".strip(),
        "layerwatch.region": region,
    }
    _provider = TracerProvider(
        resource=Resource.create(about if named else {**about, "service.name": "layerwatch"}),
        shutdown_on_exit=False,
    )
    _provider.add_span_processor(processor or _over_http())
    _tracer = _provider.get_tracer("layerwatch", __version__)


def stop() -> None:
    """Export what is left, and stop tracing. May take the exporter's time-out."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


def on() -> bool:
    """Whether anything is traced."""
    return _tracer is not None


def span(name: str, **attributes: Value) -> AbstractContextManager[Any]:
    """A piece of work inside the current one, as a block; outside of a request, nothing."""
    if _tracer is None or here() is None:
        return nullcontext()
    # Exceptions are how calls are refused here, and their text may quote what was sent.
    return _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    )


def here() -> Context | None:
    """The current place, for `record` in another thread; None outside a traced request."""
    if _tracer is None:
        return None
    from opentelemetry import context, trace

    return context.get_current() if trace.get_current_span().get_span_context().is_valid else None


def record(name: str, place: Context | None, began: int, **attributes: Value) -> None:
    """A piece of work that has just ended, at another place. began: nanoseconds, by `time.time_ns`."""
    if _tracer is not None and place is not None:
        _tracer.start_span(name, place, attributes=attributes, start_time=began).end(time.time_ns())


class TracedRequest:
    """One request, as its span sees it."""

    def __init__(self, span: Span | None) -> None:
        self._span = span

    @property
    def id(self) -> str | None:
        """The trace's id, for the log."""
        return f"{self._span.get_span_context().trace_id:032x}" if self._span else None

    def answered(self, method: str, route: str, status: int) -> None:
        """How it ended. route: the template, never the path that was called."""
        if self._span is None or not self._span.is_recording():
            return
        from opentelemetry.trace import StatusCode

        self._span.update_name(f"{method} {route}")
        self._span.set_attributes(
            {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        )
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)


@contextmanager
def request(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> Iterator[TracedRequest]:
    """A whole request as a block; it continues the trace that its `traceparent` header names, if any."""
    if _tracer is None:
        yield TracedRequest(None)
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in _CARRIED}
    with _tracer.start_as_current_span(
        "request",
        TraceContextTextMapPropagator().extract(given),
        SpanKind.SERVER,
        {"layerwatch.request": request_id},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield TracedRequest(span)


_CARRIED = {b"traceparent", b"tracestate"}


def _over_http() -> SpanProcessor:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as missing:
        raise UserError("traces need OTLP over HTTP: pip install 'layerwatch[otel]'") from missing
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())
