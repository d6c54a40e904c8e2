"""Traces: what spans a call leaves, that it continues the caller's trace, and that no secret is in them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from layerwatch.config import Settings
from layerwatch.telemetry import logging, tracing
from layerwatch_sdk import Client
from tests.support.prints import frame
from tests.support.servers import Server, running

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Everything that is traced while the test runs."""
    exporter = InMemorySpanExporter()
    tracing.start("local", "", SimpleSpanProcessor(exporter))
    yield exporter
    tracing.stop()


@pytest.fixture
def traced(spans: InMemorySpanExporter, server: Server) -> Server:
    return server


def all_of(spans: InMemorySpanExporter, requests: int) -> tuple[ReadableSpan, ...]:
    """Every span, once so many requests have ended: their spans do so after their answers were sent."""
    until = time.monotonic() + 20
    while sum(span.kind is SpanKind.SERVER for span in spans.get_finished_spans()) < requests:
        assert time.monotonic() < until
        time.sleep(0.01)
    return spans.get_finished_spans()


def tree(spans: tuple[ReadableSpan, ...], trace: str = TRACE) -> dict[str, str | None]:
    """Each span's name, and its parent's, of one trace."""
    of_it = [span for span in spans if f"{span.context.trace_id:032x}" == trace]
    names = {span.context.span_id: span.name for span in of_it}
    return {span.name: names.get(span.parent.span_id) if span.parent else None for span in of_it}


def test_a_process_call_is_one_trace_from_the_request_to_the_store(
    traced: Server, spans: InMemorySpanExporter
) -> None:
    key = traced.new_key()
    context = traced.new_context(key)
    assert traced.process(key, context, frame(0.1, 1), traceparent=PARENT).status_code == 200
    request = "POST /api/gadget/v1/process/{context_id}"
    inside = ("key check", "admit", "upload", "decode", "detect", "store")
    assert tree(all_of(spans, 2)) == {
        request: None,  # the client's span is its parent
        **dict.fromkeys(inside, request),
        "temporal": "store",
    }


def test_the_spans_say_how_it_ended_and_how_large_the_batch_was(
    traced: Server, spans: InMemorySpanExporter
) -> None:
    key = traced.new_key()
    answer = traced.process(key, traced.new_context(key), frame(0.1, 1), traceparent=PARENT)
    recorded = {span.name: dict(span.attributes or {}) for span in all_of(spans, 2)}
    request = recorded["POST /api/gadget/v1/process/{context_id}"]
    assert request["http.response.status_code"] == 200
    assert request["layerwatch.request"] == answer.headers["X-Request-Id"]
    assert recorded["detect"] == {"batch": 1, "model": "fake"}


def test_no_span_holds_a_key_a_context_or_what_a_client_sent(
    traced: Server, spans: InMemorySpanExporter
) -> None:
    key = traced.new_key()
    context = traced.new_context(key)
    traced.process(key, context, frame(0.1, 1))
    traced.process(key, context, frame(0.1, 1))  # too early
    traced.process("prod_notakey", context, b"nor a picture")
    traced.process(key, traced.new_context(key), b"not a picture")
    traced.http.get("/secret/path?secret=query")
    everything = " ".join(span.to_json() for span in all_of(spans, 7))
    for secret in (key, context, context[:12], "prod_notakey", "secret", "127.0.0.1", "picture"):
        assert secret not in everything


def test_health_checks_and_scrapes_are_not_traced(traced: Server, spans: InMemorySpanExporter) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        traced.http.get(path)
    assert spans.get_finished_spans() == ()


def test_a_server_error_marks_its_span(traced: Server, spans: InMemorySpanExporter) -> None:
    key = traced.new_key()
    traced.process(key, "never-given-out", frame(0.1, 1))
    request = all_of(spans, 1)[-1]
    assert (request.attributes or {})["http.response.status_code"] == 500
    assert not request.status.is_ok
    assert request.events == ()


@pytest.mark.parametrize("wrong", ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "x" * 10_000])
def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(
    traced: Server, spans: InMemorySpanExporter, wrong: str
) -> None:
    key = traced.new_key()
    assert traced.create_context(key, traceparent=wrong).status_code == 200
    request = all_of(spans, 1)[-1]
    assert request.parent is None


def test_log_lines_carry_the_traces_id(
    spans: InMemorySpanExporter, server_settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(server_settings.model_copy(update={"log_level": "info"})) as server:
        logging.configure("info", "json")
        server.create_context(server.new_key(), traceparent=PARENT)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    recorded = [line for line in lines if line["event"] == "request" and "createcontext" in line["path"]]
    assert [line["trace"] for line in recorded] == [TRACE]
    assert len(recorded[0]["request"]) == 32


def test_the_sdk_passes_its_callers_trace_on(traced: Server, spans: InMemorySpanExporter) -> None:
    parent: list[str | None] = [PARENT, None, "nonsense\r\nX-Evil: 1"]
    with Client(traced.new_key(), traced.url, traceparent=lambda: parent.pop(0)) as client:
        contexts = [client.create_context() for _ in range(3)]
    assert len(contexts) == 3
    requests = [span for span in all_of(spans, 3) if span.kind is SpanKind.SERVER]
    assert [f"{span.context.trace_id:032x}" == TRACE for span in requests] == [True, False, False]


class Receiver(HTTPServer):
    """Takes traces in by OTLP over HTTP, as a collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.names: list[str] = []
        self.service = ""


class Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        assert self.path == "/v1/traces"
        sent = ExportTraceServiceRequest()
        sent.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in sent.resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.server.service = about["service.name"]
            for scope in resource.scope_spans:
                self.server.names += [span.name for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def test_spans_reach_a_collector_by_the_standard_settings(
    server_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as collector:
        address = f"http://127.0.0.1:{collector.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "prints")
        with running(server_settings.model_copy(update={"traces": "otlp"})) as server:
            key = server.new_key()
            server.process(key, server.new_context(key), frame(0.1, 1))
    # Sent when the server ended, at the latest.
    assert {"key check", "decode", "detect", "temporal", "store"} <= set(collector.names)
    assert collector.service == "prints"
    assert not tracing.on()


def test_nothing_is_traced_unless_it_is_turned_on(server: Server) -> None:
    key = server.new_key()
    assert server.process(key, server.new_context(key), traceparent=PARENT).status_code == 200
    assert not tracing.on()
