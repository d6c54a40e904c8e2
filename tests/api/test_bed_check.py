"""The bed check: a picture against how this printer's own bed looks when it is empty."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import httpx
import jsonschema_rs
import numpy as np
import pytest
from PIL import Image

from layerwatch.api.openapi import document
from layerwatch.api.routes import BASE
from layerwatch.printers import MemorySweeper
from layerwatch.printers.service import IDLE_AFTER
from layerwatch.vision.bed import MIN_VIEWS
from tests.support.fake_detector import picture
from tests.support.servers import Server

PRINTER = {"printer": "garage", "camera": "top"}


def with_part(share: float = 0.03) -> bytes:
    """The same bed with something on it that covers this share of the picture."""
    with Image.open(io.BytesIO(picture())) as image:
        pixels = np.array(image)
    side = round((share * pixels.shape[0] * pixels.shape[1]) ** 0.5)
    pixels[100 : 100 + side, 120 : 120 + side] = (200, 60, 200)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


def check(
    server: Server, key: str, jpeg: bytes, fields: dict[str, str] | None = None, **more: str
) -> httpx.Response:
    return server.http.post(
        f"{BASE}/bedcheck",
        files={"file": ("a.jpg", jpeg, "image/jpeg")},
        data={**(PRINTER if fields is None else fields), **more},
        headers={"X-API-Key": key},
    )


def answer_of(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    schema = {"$ref": "#/components/schemas/BedCheck", "components": document()["components"]}
    jsonschema_rs.validate(schema, answer)
    return answer


def prints(server: Server, key: str, count: int) -> None:
    """So many prints that begin on an empty bed and end well."""
    for _ in range(count):
        labels = {"Printer": "garage", "Camera": "top"}
        context = server.create_context(key, labels).json()["ContextId"]
        for number in range(14):
            server.clock.advance(60)
            jpeg = picture(0.05, seed=number % 2)
            assert server.process(key, context, jpeg).status_code == 200


def test_what_lies_on_a_shown_bed_is_found_with_its_place(server_on_each: Server) -> None:
    server = server_on_each
    key = server.new_key()
    assert answer_of(check(server, key, picture(), empty="true"))["Bed"] == "clear"
    assert answer_of(check(server, key, picture()))["Bed"] == "clear"
    found = answer_of(check(server, key, with_part()))
    assert found["Bed"] == "not_clear"
    (place,) = found["LeftOvers"]
    assert place["Left"] <= 120 / 320 + 0.05 and place["Left"] + place["Width"] >= 0.5
    assert 0.01 < place["Area"] < 0.06


def test_an_unknown_bed_is_not_judged(server: Server) -> None:
    key = server.new_key()
    unknown = answer_of(check(server, key, picture()))
    assert unknown["Bed"] == "cannot_say" and "empty=true" in unknown["Reason"]
    check(server, key, picture(), empty="true")
    other = answer_of(check(server, key, picture(), {"printer": "garage"}))
    assert other["Bed"] == "cannot_say", "another camera"
    assert answer_of(check(server, server.new_key(), picture()))["Bed"] == "cannot_say", "another account"


def test_the_bed_is_learned_from_the_starts_of_prints(server: Server) -> None:
    key = server.new_key()
    prints(server, key, MIN_VIEWS)
    assert answer_of(check(server, key, picture()))["Bed"] == "cannot_say", "the last print may still run"
    server.clock.advance(2 * IDLE_AFTER.total_seconds())
    assert answer_of(check(server, key, picture()))["Bed"] == "clear"
    assert answer_of(check(server, key, with_part()))["Bed"] == "not_clear"


def test_another_scene_and_a_dark_picture_are_not_judged(server: Server) -> None:
    key = server.new_key()
    check(server, key, picture(), empty="true")
    assert answer_of(check(server, key, picture(seed=5)))["Bed"] != "clear"
    out = io.BytesIO()
    Image.new("RGB", (320, 240), (5, 5, 5)).save(out, "JPEG")
    dark = check(server, key, out.getvalue())
    assert answer_of(dark)["Bed"] == "cannot_say"
    assert dark.headers["X-Picture-Condition"] == "dark"
    refused = check(server, key, out.getvalue(), empty="true")
    assert (refused.status_code, refused.json()["ErrorType"]) == (400, "OE_BAD_ARGS")


def test_a_check_is_billed_as_one_inspection_and_a_refused_one_is_not(server: Server) -> None:
    key, account = server.new_key_of()
    check(server, key, picture(), empty="true")
    check(server, key, picture())
    assert server.billed(account) == 2
    for refused in (
        check(server, key, picture(), {}),
        check(server, key, picture(), {"printer": "x" * 121}),
        check(server, key, picture(), empty="yes"),
        check(server, key, b"no picture"),
        server.http.post(f"{BASE}/bedcheck", data=PRINTER, headers={"X-API-Key": key}),
    ):
        assert refused.status_code == 400, refused.text
    assert server.billed(account) == 2


def test_the_contracts_errors_hold(server: Server) -> None:
    nobody = check(server, "lw_unknown", picture())
    assert (nobody.status_code, nobody.json()["ErrorType"]) == (401, "OE_INVALID_API_KEY")
    key = server.new_key()
    server.services.admission.under_way = 10_000
    busy = check(server, key, picture())
    server.services.admission.under_way = 0
    assert (busy.status_code, busy.json()["ErrorType"]) == (503, "OE_BACKEND_THROTTLED")
    assert int(busy.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("days", [89, 91])
def test_a_shown_bed_is_forgotten_after_90_days_without_a_print(server: Server, days: int) -> None:
    key = server.new_key()
    check(server, key, picture(), empty="true")
    server.clock.advance(timedelta(days=days).total_seconds())
    MemorySweeper(server.services.database).sweep(server.clock.now())
    assert answer_of(check(server, key, picture()))["Bed"] == ("clear" if days < 90 else "cannot_say")
