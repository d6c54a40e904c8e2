"""What a printer reports with a picture: optional form fields, for people to see."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select

import layerwatch_sdk
from layerwatch.api.routes import BASE
from layerwatch.contexts.models import ContextRow
from layerwatch.prints import PrintProgress
from tests.support.fake_detector import picture
from tests.support.prints_kept import labels_of
from tests.support.servers import Server


def process(server: Server, key: str, context: str, fields: Any) -> httpx.Response:
    return server.http.post(
        f"{BASE}/process/{context}",
        headers={"X-API-Key": key},
        files={"image": ("a.jpg", picture(), "image/jpeg")},
        data=fields,
    )


def reported(server: Server, context: str) -> PrintProgress:
    with server.services.database.read() as session:
        stored = session.scalars(select(ContextRow.progress).where(ContextRow.id == context)).one()
    return PrintProgress.from_json(stored)


def test_the_last_report_is_kept_with_the_print(server_on_each: Server) -> None:
    server = server_on_each
    key = server.new_key()
    context = server.new_context(key)
    whole = {"camera": "top", "layer": "12", "layers": "240", "progress": "0.05", "state": "druckt schön"}
    assert process(server, key, context, whole).status_code == 200
    assert reported(server, context) == PrintProgress(12, 240, 0.05, "druckt schön")
    server.clock.advance(40)
    assert process(server, key, context, {"layer": "13", "progress": "6e-2"}).status_code == 200
    assert reported(server, context) == PrintProgress(13, None, 0.06, None)
    server.clock.advance(40)
    assert server.process(key, context).status_code == 200
    assert reported(server, context).layer == 13, "a picture without a report leaves the last one"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"layer": "", "layers": " ", "progress": "", "state": ""},
        {"unknown": "x" * 1000, "state2": "\x00"},
    ],
)
def test_without_a_report_nothing_is_kept(server: Server, fields: dict[str, str]) -> None:
    key = server.new_key()
    context = server.new_context(key)
    assert process(server, key, context, fields).status_code == 200
    assert reported(server, context) == PrintProgress()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("layer", value) for value in ("-1", "1.5", "12a", "10000000", "٣", "1_0", "x" * 9000)],
        *[("layers", value) for value in ("-1", "NaN", "1e3")],
        *[("progress", value) for value in ("-0.1", "1.01", "nan", "inf", "50%", "0,5", "1e400", "0x1")],
        *[("state", value) for value in ("x" * 121, "a\nb", "a\x00b", "\u202e", "x" * 9000)],
        *[("camera", value) for value in ("x" * 65, "a\nb", "x" * 9000)],
    ],
)
def test_a_wrong_value_is_named_refused_and_free(server: Server, field: str, value: str) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)
    answer = process(server, key, context, {field: value})
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "OE_BAD_ARGS")
    assert field in answer.json()["ErrorDetails"]
    assert server.billed(account) == 0
    assert server.process(key, context).status_code == 200


@pytest.mark.parametrize("field", ["camera", "layer", "layers", "progress", "state"])
def test_a_field_that_is_sent_twice_is_refused(server: Server, field: str) -> None:
    key = server.new_key()
    answer = process(server, key, server.new_context(key), {field: ["1", "1"]})
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "OE_BAD_ARGS")
    assert f"{field} is sent twice" in answer.json()["ErrorDetails"]


@pytest.mark.parametrize("progress", ["0", "1", "0.0", "1.0", "0.333333333333333", "5e-05", "1."])
def test_fractions_are_taken_as_programs_write_them(server: Server, progress: str) -> None:
    key = server.new_key()
    context = server.new_context(key)
    assert process(server, key, context, {"progress": progress}).status_code == 200
    assert reported(server, context).progress == float(progress)


def test_a_report_survives_the_trip_to_the_table_and_back() -> None:
    report = PrintProgress(9_999_999, 9_999_999, 1 / 3, '"' * 120)
    text = report.to_json()
    assert text is not None and len(text) <= 400
    assert PrintProgress.from_json(text) == report
    assert PrintProgress.from_json('{"layer":1,"since a later version":2}') == PrintProgress(layer=1)
    assert PrintProgress().to_json() is None


async def test_the_sdk_sends_what_the_service_keeps(server: Server) -> None:
    key = server.new_key()
    labels = layerwatch_sdk.PrintLabels("Bracket", "garage", "top", "a.gcode")
    position = layerwatch_sdk.PrintPosition(1, 2, 0.5, "printing")
    async with layerwatch_sdk.AsyncClient(key, server.url) as client:
        context = await client.create_context(labels=labels)
        await client.process(context, picture(), position=position)
    assert reported(server, context.context_id) == PrintProgress(1, 2, 0.5, "printing")
    with server.services.database.read() as session:
        (kept,) = labels_of(session, [context.context_id]).values()
    assert (kept.name, kept.printer, kept.camera, kept.file) == ("Bracket", "garage", "top", "a.gcode")
