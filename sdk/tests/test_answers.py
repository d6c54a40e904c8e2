"""Both dialects are understood; what is not the contract's answer is never accepted as one."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Optional

import httpx
import pytest

from layerwatch_sdk import (
    Box,
    Client,
    Context,
    HeatMap,
    InvalidResponse,
    NextInterval,
    NoAnswer,
    PrintLabels,
    PrintPosition,
)
from layerwatch_sdk.answers import read_inspection
from layerwatch_sdk.form_fields import label_fields, position_fields
from layerwatch_sdk.testing import JPEG, KEY, FakeService
from layerwatch_sdk.wire import Reply

GOOD: Dict[str, Any] = {
    "NextProcessIntervalSec": 40,
    "PrintQuality": 8,
    "WarningSuggested": False,
    "PauseSuggested": False,
    "Score": 5,
}


def test_the_older_dialect_has_one_interval(client: Client, context: Context, wire: Any) -> None:
    wire.script = [httpx.Response(200, json=GOOD)]
    inspection = client.process(context, JPEG)
    assert inspection.next_interval == NextInterval(seconds=40, minimum=40, recommended=40)
    assert (inspection.print_quality, inspection.score) == (8, 5)
    assert (inspection.warning_suggested, inspection.pause_suggested) == (False, False)
    assert inspection.faster_inspection_suggested is False
    assert inspection.detail is None


@pytest.mark.parametrize(
    ("faster", "seconds"), [(None, 40), (False, 40), (True, 20)], ids=["unsaid", "calm", "suspicious"]
)
def test_the_newer_dialect_says_least_and_best(
    client: Client, context: Context, wire: Any, faster: Optional[bool], seconds: int
) -> None:
    answer = {**GOOD, "NextProcessIntervalSec": {"Minimum": 20, "Recommended": 40}}
    if faster is not None:
        answer["FasterInspectionSuggested"] = faster
    wire.script = [httpx.Response(200, json=answer)]
    inspection = client.process(context, JPEG)
    assert inspection.next_interval == NextInterval(seconds=seconds, minimum=20, recommended=40)
    assert inspection.faster_inspection_suggested is bool(faster)


def test_recommended_is_never_below_the_minimum(client: Client, context: Context, wire: Any) -> None:
    answer = {**GOOD, "NextProcessIntervalSec": {"Minimum": 50, "Recommended": 40}}
    wire.script = [httpx.Response(200, json=answer)]
    assert client.process(context, JPEG).next_interval.seconds == 50


@pytest.mark.parametrize(("version", "header"), [(None, None), (1, "1"), (2, "2")])
def test_an_api_version_is_requested_only_if_set(
    make_client: Callable[..., Client], wire: Any, version: Optional[int], header: Optional[str]
) -> None:
    client = make_client(api_version=version)
    client.process(client.create_context(), JPEG)
    assert [request.headers.get("x-api-version") for request in wire.requests] == [header, header]
    assert all(request.headers["x-api-key"] == KEY for request in wire.requests)


def test_unknown_fields_are_ignored(client: Client, context: Context, wire: Any) -> None:
    wire.script = [httpx.Response(200, json={**GOOD, "Mood": "sunny"})]
    assert client.process(context, JPEG).print_quality == 8


@pytest.mark.parametrize("word", ["ok", "frozen", "bright", "no-print"])
def test_the_picture_s_condition_is_read_from_its_header(
    client: Client, context: Context, wire: Any, word: str
) -> None:
    wire.script = [httpx.Response(200, json=GOOD, headers={"X-Picture-Condition": word})]
    assert client.process(context, JPEG).condition == word


@pytest.mark.parametrize("value", ["", "no such thing!", "x" * 99])
def test_a_condition_that_is_no_word_is_left_out(
    client: Client, context: Context, wire: Any, value: str
) -> None:
    wire.script = [httpx.Response(200, json=GOOD, headers={"X-Picture-Condition": value})]
    assert client.process(context, JPEG).condition is None


def test_without_the_header_the_condition_is_that_of_the_detail(
    client: Client, context: Context, wire: Any
) -> None:
    wire.script = [httpx.Response(200, json={**GOOD, "Detail": {"Condition": "overexposed"}})]
    assert client.process(context, JPEG, detail=True).condition == "bright"


def test_detail_is_asked_for_and_read(client: Client, context: Context, wire: Any) -> None:
    detail = {
        "Kind": "spaghetti",
        "Kinds": {"spaghetti": 0.9, "warping": 0.1, "broken": "x"},
        "Boxes": [
            {"Kind": "spaghetti", "Probability": 0.9, "Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4},
            {"Kind": "spaghetti"},
            "no box",
        ],
        "Condition": "dark",
        "ModelVersion": "2026.11",
        "FailureProbability": 0.75,
        "HeatMap": {"Rows": 1, "Columns": 2, "Cells": [0, 255]},
        "Note": "looked like this from the start",
        "New": 1,
    }
    wire.script = [httpx.Response(200, json={**GOOD, "Detail": detail})]
    seen = client.process(context, JPEG, detail=True).detail
    assert wire.requests[0].url.query == b"detail=1"
    assert seen is not None
    assert (seen.kind, seen.condition, seen.model_version) == ("spaghetti", "dark", "2026.11")
    assert seen.kinds == {"spaghetti": 0.9, "warping": 0.1}
    assert seen.boxes == (Box("spaghetti", 0.9, 0.1, 0.2, 0.3, 0.4),)
    assert (seen.failure_probability, seen.heat_map) == (0.75, HeatMap(1, 2, b"\x00\xff"))
    assert seen.note == "looked like this from the start"
    assert seen.raw["New"] == 1


@pytest.mark.parametrize(
    "shape", [7, {}, {"Kinds": [], "Boxes": {}, "HeatMap": {"Rows": 9, "Columns": 9, "Cells": []}}]
)
def test_an_unknown_shape_of_detail_costs_the_detail_not_the_verdict(
    client: Client, context: Context, wire: Any, shape: Any
) -> None:
    wire.script = [httpx.Response(200, json={**GOOD, "Detail": shape})]
    inspection = client.process(context, JPEG, detail=True)
    assert inspection.score == 5
    assert inspection.detail is None or inspection.detail.boxes == ()


def test_the_picture_goes_as_exactly_one_file_and_the_camera_as_a_field(
    client: Client, context: Context, wire: Any
) -> None:
    client.process(context, JPEG, camera="top")
    body = wire.requests[0].content
    assert body.count(b"filename=") == 1
    assert JPEG in body
    assert b'name="camera"\r\n\r\ntop\r\n' in body


def _broken() -> Dict[str, bytes]:
    cases = {f"without {name}": {k: v for k, v in GOOD.items() if k != name} for name in GOOD}
    cases.update({f"{name} null": {**GOOD, name: None} for name in GOOD})
    wrong: Dict[str, list[Any]] = {
        "NextProcessIntervalSec": [
            "40",
            40.0,
            True,
            0,
            -1,
            10**9,
            [],
            {},
            {"Minimum": 20},
            {"Minimum": "20"},
        ],
        "PrintQuality": ["8", 8.0, True, 0, 11],
        "WarningSuggested": [0, "false", []],
        "PauseSuggested": [1, "true"],
        "Score": ["5", 5.5, False, -1, 101],
        "FasterInspectionSuggested": [1, "yes"],
    }
    cases.update({f"{n} {v!r}": {**GOOD, n: v} for n, values in wrong.items() for v in values})
    bodies = {name: json.dumps(answer).encode() for name, answer in cases.items()}
    whole = json.dumps(GOOD).encode()
    bodies.update(
        {
            "empty": b"",
            "cut": whole[:-1],
            "html": b"<html><body>It works!</body></html>",
            "list": b"[" + whole + b"]",
            "string": b'"fine"',
            "null": b"null",
            "not utf-8": b"\xff\xfe\xfa" + whole,
            "deep": b"[" * 100_000,
            "huge number": whole.replace(b"5}", b"9" * 5000 + b"}"),
            "nan": whole.replace(b"5}", b"NaN}"),
            "too long": whole + b" " * 300_000,
        }
    )
    return bodies


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in _broken().items()])
def test_a_broken_answer_is_never_fine(client: Client, context: Context, wire: Any, body: bytes) -> None:
    wire.script = [httpx.Response(200, content=body)] * 4
    with pytest.raises(InvalidResponse):
        client.process(context, JPEG)


def test_a_broken_answer_is_asked_for_again_and_not_billed_again(
    client: Client, context: Context, wire: Any, service: FakeService
) -> None:
    whole = service.handle

    def cut_once(request: httpx.Request) -> httpx.Response:
        service.handle = whole  # type: ignore[method-assign]
        return httpx.Response(200, content=whole(request).content[:30])

    service.handle = cut_once  # type: ignore[method-assign]
    assert client.process(context, JPEG).print_quality == 8
    assert len(wire.requests) == 2
    assert len(service.billed) == 1


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 304])
def test_success_is_exactly_200(client: Client, context: Context, wire: Any, status: int) -> None:
    wire.script = [httpx.Response(status, json=GOOD)] * 4
    with pytest.raises(InvalidResponse):
        client.process(context, JPEG)


@pytest.mark.parametrize(
    "change",
    [
        {"ContextId": None},
        {"ContextId": ""},
        {"ContextId": "a" * 65},
        {"ContextId": "../../admin"},
        {"ContextId": 7},
        {"ProcessRequestUrl": None},
        {"ProcessRequestUrl": "/api/gadget/v1/process/abc"},
        {"ProcessRequestUrl": "ftp://host/x"},
        {"ProcessRequestUrl": "http://user:secret@host/x"},
        {"FallbackProcessRequestUrl": None},
        {"FallbackProcessRequestUrl": 5},
    ],
    ids=str,
)
def test_a_broken_context_is_not_used(client: Client, wire: Any, change: Dict[str, Any]) -> None:
    good = {
        "ContextId": "abc",
        "ProcessRequestUrl": "http://a.test/x",
        "FallbackProcessRequestUrl": "http://b.test/x",
    }
    wire.script = [httpx.Response(200, json={**good, **change})] * 4
    with pytest.raises(InvalidResponse):
        client.create_context()


def test_the_key_is_not_sent_in_the_clear_to_a_secure_services_plain_url(
    make_client: Callable[..., Client], wire: Any
) -> None:
    client = make_client(base_url="https://primary.test")
    with pytest.raises(InvalidResponse, match="plain http"):
        client.create_context()  # the stand-in's URLs are http


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("silent"),
        httpx.WriteError("broken pipe"),
        httpx.RemoteProtocolError("Server disconnected"),
        httpx.DecodingError("bad gzip"),
        OSError("network down"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failing_transport_is_no_answer(
    client: Client, context: Context, wire: Any, error: Exception
) -> None:
    wire.script = [error] * 4
    with pytest.raises(NoAnswer) as caught:
        client.process(context, JPEG)
    assert caught.value.__cause__ is error
    assert "fallback.test" in str(caught.value), "which host it was is not said"
    assert caught.value.maybe_judged


def test_the_answer_says_why_a_picture_was_not_judged() -> None:
    def condition(**headers: str) -> object:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return read_inspection(Reply(200, named, json.dumps(GOOD).encode())).condition

    assert condition(x_picture_condition="no-print") == "no-print"
    assert condition() is None
    assert condition(x_picture_condition="<script>") is None


def test_labels_and_position_go_out_as_the_contract_names_them() -> None:
    labels = PrintLabels(name="Benchy\n", printer="voron", file="b" * 200)
    assert label_fields(labels) == {"Name": "Benchy", "Printer": "voron", "File": "b" * 120}
    position = PrintPosition(layer=120, layers=300, progress=0.4, state="printing")
    assert position_fields(position) == {
        "layer": "120",
        "layers": "300",
        "progress": "0.4000",
        "state": "printing",
    }
    assert position_fields(PrintPosition(progress=1.5)) == {}
    assert position_fields(None) == {} and label_fields(None) == {}
