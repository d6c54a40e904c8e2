"""A bed check is read strictly: an answer that is not understood is no clear bed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from layerwatch_sdk import Client, InvalidResponse, LeftOver, NotJpeg
from layerwatch_sdk.testing import JPEG, KEY

PLACE = {"Left": 0.4, "Top": 0.5, "Width": 0.2, "Height": 0.15, "Area": 0.021}


def answers(**fields: Any) -> httpx.Response:
    return httpx.Response(200, json={"Bed": "clear", "Reason": None, "LeftOvers": [], **fields})


def test_it_sends_the_picture_and_whose_bed_it_is(client: Client, wire: Any) -> None:
    wire.script = [answers()]
    assert client.check_bed(JPEG, "garage", camera="top", empty=True).clear is True
    request = wire.requests[-1]
    assert (request.method, request.url.path) == ("POST", "/api/gadget/v1/bedcheck")
    assert request.headers["x-api-key"] == KEY
    for part in (
        b'name="printer"\r\n\r\ngarage',
        b'name="camera"\r\n\r\ntop',
        b'name="empty"\r\n\r\ntrue',
        JPEG,
    ):
        assert part in request.content


def test_what_lies_there_is_read(client: Client, wire: Any) -> None:
    wire.script = [answers(Bed="not_clear", LeftOvers=[PLACE, {"Left": "far"}])]
    seen = client.check_bed(JPEG, "garage")
    assert (seen.clear, seen.left_overs) == (False, (LeftOver(0.4, 0.5, 0.2, 0.15, 0.021),))


def test_what_cannot_be_said_is_neither(client: Client, wire: Any) -> None:
    wire.script = [answers(Bed="cannot_say", Reason="the light is another one")]
    seen = client.check_bed(JPEG, "garage")
    assert (seen.clear, seen.reason) == (None, "the light is another one")


@pytest.mark.parametrize("bed", [None, "", "Clear", 1, True])
def test_another_word_is_no_answer(client: Client, wire: Any, bed: Any) -> None:
    wire.script = [answers(Bed=bed)] * 10
    with pytest.raises(InvalidResponse):
        client.check_bed(JPEG, "garage")


def test_what_is_no_picture_is_not_sent(client: Client, wire: Any) -> None:
    with pytest.raises(NotJpeg):
        client.check_bed(b"text", "garage")
    assert wire.requests == []
