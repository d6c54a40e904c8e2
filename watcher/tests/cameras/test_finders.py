"""Webcams that OctoPrint, Moonraker, PrusaLink and go2rtc know of."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from PIL import Image
from watcher.tests.stand_ins import octoprint, prusalink
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import moonraker_app
from watcher.tests.stand_ins.serve import serving

from layerwatch_watcher.cameras import CameraError, CameraSetupError
from layerwatch_watcher.cameras.finders import (
    go2rtc_camera,
    moonraker_camera,
    octoprint_camera,
    prusalink_camera,
    seen_from_here,
)
from layerwatch_watcher.cameras.transform import oriented
from layerwatch_watcher.printers.moonraker import Moonraker
from layerwatch_watcher.printers.octoprint import OctoPrint
from layerwatch_watcher.printers.prusalink import PrusaLink

MakeJpeg = Callable[..., bytes]


UPSIDE_DOWN_MIRRORED = 4


def orientation(picture: bytes) -> int:
    with Image.open(io.BytesIO(picture)) as image:
        return int(image.getexif().get(0x0112, 1))


async def test_octoprints_webcam_is_found_and_flipped_as_it_is_set_there(jpeg: MakeJpeg) -> None:
    picture = jpeg(1)
    async with (
        serving(octoprint.octoprint_app(Machine(), picture=picture)) as webcam,
        serving(octoprint.octoprint_app(Machine(), f"{webcam}/webcam/?action=snapshot")) as url,
    ):
        camera = octoprint_camera(OctoPrint(url, octoprint.KEY))
        seen = await camera.snapshot()
        await camera.close()
    assert seen == oriented(picture, UPSIDE_DOWN_MIRRORED)


async def test_octoprint_without_a_webcam_says_where_to_set_one() -> None:
    async with serving(octoprint.octoprint_app(Machine(), snapshot_url="")) as url:
        camera = octoprint_camera(OctoPrint(url, octoprint.KEY))
        with pytest.raises(CameraError):
            await camera.snapshot()


async def test_a_key_that_may_not_read_octoprints_settings_still_gives_the_usual_webcam(
    jpeg: MakeJpeg, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("WARNING", logger="layerwatch_watcher")  # servers of other tests set the root's level
    picture = jpeg(1)
    app = octoprint.octoprint_app(Machine(), picture=picture, settings_allowed=False)
    async with serving(app) as url:
        # The usual address is at OctoPrint's proxy, port 80; here the stand-in itself.
        monkeypatch.setattr(
            "layerwatch_watcher.cameras.finders.USUAL_WEBCAM", f"{url}/webcam/?action=snapshot"
        )
        camera = octoprint_camera(OctoPrint(url, octoprint.KEY))
        assert await camera.snapshot() == picture
        await camera.close()
    assert "SETTINGS_READ" in caplog.text
    async with serving(app) as url:
        with pytest.raises(CameraSetupError, match="refuses the login"):
            await octoprint_camera(OctoPrint(url, "wrong")).snapshot()


async def test_octoprints_own_switch_lets_a_webcam_with_its_own_certificate_be_used(jpeg: MakeJpeg) -> None:
    picture = jpeg(4)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("camera.invalid").configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(picture)}\r\n\r\n".encode() + picture)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        webcam = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/snap"
        async with serving(octoprint.octoprint_app(Machine(), webcam)) as url:
            with pytest.raises(CameraError, match="untrusted certificate"):
                await octoprint_camera(OctoPrint(url, octoprint.KEY)).snapshot()
        async with serving(octoprint.octoprint_app(Machine(), webcam, check_webcam=False)) as url:
            camera = octoprint_camera(OctoPrint(url, octoprint.KEY))
            assert await camera.snapshot() == oriented(picture, UPSIDE_DOWN_MIRRORED)
            await camera.close()


async def test_moonrakers_enabled_webcam_is_chosen_and_turned(jpeg: MakeJpeg) -> None:
    async with serving(moonraker_app(Machine(), jpeg(2))) as url:
        moonraker = Moonraker(url)
        webcams = await moonraker.webcams()
        for webcam in webcams:
            webcam["snapshot_url"] = f"{url}/webcam/?action=snapshot"

        async def listed() -> list[dict[str, Any]]:
            return webcams

        moonraker.webcams = listed  # type: ignore[method-assign]
        picture = await moonraker_camera(moonraker).snapshot()
    assert orientation(picture) == 3  # upside down


async def test_an_unknown_moonraker_webcam_is_reported_with_the_known_ones() -> None:
    async with serving(moonraker_app(Machine())) as url:
        with pytest.raises(CameraSetupError) as caught:
            await moonraker_camera(Moonraker(url), "bed").snapshot()
    assert "no webcam called bed" in str(caught.value)
    assert "nozzle" in caught.value.hint


async def test_prusalinks_camera_is_read_with_its_digest_login(jpeg: MakeJpeg) -> None:
    picture = jpeg(3)
    async with serving(prusalink.prusalink_app(Machine(), picture)) as url:
        link = PrusaLink(url, prusalink.USER, prusalink.PASSWORD)
        login = {"user": prusalink.USER, "password": prusalink.PASSWORD}
        assert await prusalink_camera(link, login).snapshot() == picture


async def test_a_refused_login_is_a_camera_trouble_in_plain_words() -> None:
    async with serving(octoprint.octoprint_app(Machine())) as url:
        with pytest.raises(CameraSetupError, match="refuses the login"):
            await octoprint_camera(OctoPrint(url, "wrong")).snapshot()


def test_go2rtc_is_asked_for_one_frame_of_the_stream() -> None:
    assert go2rtc_camera("nas.local:1984", "front door").shown == (
        "http://nas.local:1984/api/frame.jpeg?src=front+door"
    )


@pytest.mark.parametrize(
    ("base", "address", "expected"),
    [
        ("http://octopi.local", "/webcam/?action=stream", "http://octopi.local/webcam/?action=stream"),
        ("http://voron:7125", "/webcam/?action=snapshot", "http://voron/webcam/?action=snapshot"),
        ("http://octopi", "http://127.0.0.1:8080/?action=snapshot", "http://octopi:8080/?action=snapshot"),
        ("http://127.0.0.1:5000", "http://localhost:8080/x", "http://localhost:8080/x"),
        ("http://octopi", "http://10.0.0.9/shot.jpg", "http://10.0.0.9/shot.jpg"),
        ("http://[fe80::1]:7125", "webcam?x=1", "http://[fe80::1]/webcam?x=1"),
    ],
)
def test_an_address_in_other_softwares_settings_is_made_good_from_here(
    base: str, address: str, expected: str
) -> None:
    assert seen_from_here(base, address) == expected
