"""Names given at createcontext: checked, bounded, kept for people, and never a reason not to detect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from layerwatch.prints import PrintLabels, service
from layerwatch.storage import StorageUnavailable
from tests.support.prints_kept import labels_of
from tests.support.servers import Server

GOOD = {"Name": "Bracket №2", "Printer": "garage", "Camera": "top", "File": "bracket (2).gcode"}


def kept(server: Server, context: str) -> PrintLabels | None:
    with server.services.database.read() as session:
        return labels_of(session, [context]).get(context)


def open_context(server: Server, key: str, body: dict[str, Any]) -> str:
    answer = server.create_context(key, body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ContextId"])


def test_names_are_kept_with_the_print(server_on_each: Server) -> None:
    server = server_on_each
    key = server.new_key()
    named = open_context(server, key, {**GOOD, "PauseConfidenceLevel": 5})
    assert kept(server, named) == PrintLabels("Bracket №2", "garage", "top", "bracket (2).gcode")
    assert server.process(key, named).status_code == 200
    partly = open_context(server, key, {"Printer": "  garage  ", "Name": None, "Camera": "", "File": " "})
    assert kept(server, partly) == PrintLabels(printer="garage")


def test_older_clients_see_no_difference(server: Server) -> None:
    key = server.new_key()
    plain, named = server.create_context(key, {}), server.create_context(key, GOOD)
    assert plain.json().keys() == named.json().keys()
    assert kept(server, plain.json()["ContextId"]) is None


@pytest.mark.parametrize("field", ["Name", "Printer", "Camera", "File"])
@pytest.mark.parametrize(
    "value", ["x" * 121, "a\nb", "a\x00b", "a\x1b[31m", "a\u202eb", "\ud800", 7, True, ["x"], {"a": 1}]
)
def test_what_is_no_name_is_refused(server: Server, field: str, value: Any) -> None:
    answer = server.create_context(server.new_key(), json.dumps({field: value}).encode())
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "OE_BAD_ARGS")
    assert field in answer.json()["ErrorDetails"]


def test_the_longest_name_is_taken(server: Server) -> None:
    context = open_context(server, server.new_key(), {"Name": "ü" * 120})
    assert kept(server, context) == PrintLabels(name="ü" * 120)


def test_without_the_database_the_print_goes_on_without_its_names(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = server.new_key()
    server.new_context(key)

    async def away(*_: object) -> None:
        raise StorageUnavailable("down")

    monkeypatch.setattr(server.services.gateway, "write_async", away)
    assert server.create_context(key, GOOD).status_code == 200


def test_a_flood_of_named_prints_is_opened_but_not_kept(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_PER_MINUTE", 2)
    key, other = server.new_key(), server.new_key()
    flood = [open_context(server, key, GOOD) for _ in range(4)]
    assert [kept(server, context) is not None for context in flood] == [True, True, False, False]
    assert kept(server, open_context(server, other, GOOD)) is not None, "other accounts are not held up"
    server.clock.advance(60)
    assert kept(server, open_context(server, key, GOOD)) is not None
