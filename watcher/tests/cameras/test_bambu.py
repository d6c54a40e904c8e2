"""The chamber camera of the A1 and P1 printers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from watcher.tests.stand_ins.bambu import CODE, chamber_camera

from layerwatch_watcher.cameras import CameraError, CameraSetupError
from layerwatch_watcher.cameras.bambu import BambuChamberCamera, login_packet, x1_address

MakeJpeg = Callable[..., bytes]


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("printer.test").configure_cert(context)
    return context


def camera(port: int, code: str = CODE) -> BambuChamberCamera:
    return BambuChamberCamera("127.0.0.1", code, port=port, timeout=3)


async def test_the_first_frame_comes_out_whole(tls: ssl.SSLContext, jpeg: MakeJpeg) -> None:
    picture = jpeg(7, (640, 360))
    async with chamber_camera([picture, jpeg(8)], tls) as port:
        assert await camera(port).snapshot() == picture


async def test_a_whole_frame_counts_though_the_printer_neither_ends_it_nor_hangs_up(
    tls: ssl.SSLContext, jpeg: MakeJpeg
) -> None:
    picture = jpeg(7)
    async with chamber_camera([picture], tls, announce=500, hold=True) as port:
        assert await asyncio.wait_for(camera(port).snapshot(), 2) == picture


async def test_a_wrong_code_is_reported(tls: ssl.SSLContext, jpeg: MakeJpeg) -> None:
    async with chamber_camera([jpeg(7)], tls) as port:
        with pytest.raises(CameraError) as caught:
            await camera(port, "87654321").snapshot()
    assert "access code" in caught.value.hint


async def test_a_frame_cut_off_does_not_pass(tls: ssl.SSLContext, jpeg: MakeJpeg) -> None:
    async with chamber_camera([jpeg(7)], tls, cut=50) as port:
        with pytest.raises(CameraError, match="in the middle of a picture"):
            await camera(port).snapshot()


async def test_another_certificate_than_the_pinned_one_is_refused(
    tls: ssl.SSLContext, jpeg: MakeJpeg, tmp_path: Path
) -> None:
    pem = tmp_path / "other.pem"
    trustme.CA().issue_cert("other.test").cert_chain_pems[0].write_to_path(str(pem))
    async with chamber_camera([jpeg(7)], tls) as port:
        pinned = BambuChamberCamera("127.0.0.1", CODE, port=port, certificate=str(pem))
        with pytest.raises(CameraSetupError, match="another certificate"):
            await pinned.snapshot()


def test_the_login_packet_is_eighty_bytes_with_user_and_code() -> None:
    packet = login_packet(CODE)
    assert len(packet) == 80
    assert packet[:8] == bytes.fromhex("4000000000300000")
    assert packet[16:20] == b"bblp" and packet[48:56] == CODE.encode()


def test_an_x1_has_an_rtsp_address_instead() -> None:
    assert x1_address("10.0.0.7", "a b") == "rtsps://bblp:a%20b@10.0.0.7:322/streaming/live/1"
