"""Snapshot addresses and MJPEG streams, and in plain words what is wrong with an address."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from layerwatch_watcher.cameras import CameraError, CameraSetupError, HttpCamera
from layerwatch_watcher.tls import private_tls

MakeJpeg = Callable[..., bytes]


async def shoot(url: str, **options: Any) -> bytes:
    camera = HttpCamera(url, timeout=2.0, **options)
    try:
        return await camera.snapshot()
    finally:
        await camera.close()


async def complaint(url: str, **options: Any) -> tuple[str, str]:
    with pytest.raises(CameraError) as caught:
        await shoot(url, **options)
    return str(caught.value), caught.value.hint


async def test_a_snapshot_is_given_as_it_came(server: Any, jpeg: MakeJpeg) -> None:
    picture = jpeg(30)
    server.respond(picture)
    assert await shoot(server.url) == picture


async def test_a_snapshot_of_a_wrong_type_is_known_by_its_bytes(server: Any, jpeg: MakeJpeg) -> None:
    picture = jpeg(30)
    server.respond(picture, kind="application/octet-stream")
    assert await shoot(server.url) == picture


async def test_a_stream_gives_its_first_whole_frame_and_is_left_at_once(server: Any, jpeg: MakeJpeg) -> None:
    picture = jpeg(40)
    server.stream(b"--frame\r\n\r\n" + picture[:500], picture[500:], b"\r\n--frame\r\n")
    assert await asyncio.wait_for(shoot(server.url), 2) == picture


async def test_stale_frames_are_skipped(server: Any, jpeg: MakeJpeg) -> None:
    old, new = jpeg(1), jpeg(2)
    server.stream(b"--frame\r\n\r\n" + old, b"--frame\r\n\r\n" + new)
    assert await shoot(server.url, stale_frames=1) == new


async def test_login_is_sent_and_never_shown(server: Any, jpeg: MakeJpeg) -> None:
    server.respond(b"", status="500 Oops")
    url = server.url.replace("http://", "http://anna:s3cret@") + "/snap?token=abcdef&w=640"
    message = " ".join(await complaint(url))
    assert "s3cret" not in message and "abcdef" not in message and "w=640" in message
    sent = server.requests[-1][1]["authorization"]
    assert base64.b64decode(sent.split()[1]) == b"anna:s3cret"


async def test_a_digest_challenge_is_answered(server: Any, jpeg: MakeJpeg) -> None:
    picture = jpeg(9)

    async def answer(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if "authorization" not in headers:
            writer.write(
                b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n"
                b'WWW-Authenticate: Digest realm="cam", nonce="n1", qop="auth", algorithm=MD5\r\n\r\n'
            )
        elif (
            headers["authorization"].startswith("Digest ") and 'username="maker"' in headers["authorization"]
        ):
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n\r\n" + picture
            )

    server.answer = answer
    assert await shoot(server.url, user="maker", password="p", digest=True) == picture


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        (b"<html><title>Octo</title></html>", "text/html", "200 OK", 'web page titled "Octo"'),
        (b"", "image/jpeg", "200 OK", "empty answer"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 50, "image/png", "200 OK", "a PNG picture"),
        (b'{"result": 1}', "application/json", "200 OK", "JSON"),
        (b"\0\0\0\x20ftypisom", "video/mp4", "200 OK", "a video"),
        (b"no", "text/plain", "401 Unauthorized", "asks for a login"),
        (b"no", "text/plain", "404 Not Found", "no such page"),
        (b"no", "text/plain", "503 Unavailable", "the camera behind it is not"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_in_plain_words(
    server: Any, body: bytes, kind: str, status: str, message: str
) -> None:
    server.respond(body, kind, status)
    what, hint = await complaint(server.url)
    assert message in what
    assert hint


async def test_a_picture_cut_off_on_its_way_does_not_pass(server: Any, jpeg: MakeJpeg) -> None:
    server.respond(jpeg(10)[:-300])
    what, _ = await complaint(server.url)
    assert "cut off" in what


async def test_a_picture_too_large_for_the_service_is_refused_here(server: Any, jpeg: MakeJpeg) -> None:
    picture = jpeg(10)
    filler = (b"\xff\xfe\xff\xff" + b"\0" * 65533) * 97
    server.respond(picture[:2] + filler + picture[2:])
    what, hint = await complaint(server.url)
    assert "6,291,456" in what or "cut off" in what
    assert hint


async def test_a_silent_camera_is_not_waited_for_forever(server: Any) -> None:
    async def answer(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    server.answer = answer
    camera = HttpCamera(server.url, timeout=0.1)
    with pytest.raises(CameraError, match="did not finish in time"):
        await camera.snapshot()
    await camera.close()


async def test_nothing_listening_names_the_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    what, _ = await complaint(f"http://127.0.0.1:{port}/")
    assert f"port {port}" in what


async def test_an_unknown_name_is_said_to_be_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    what, _ = await complaint("http://no-such-printer.local/")
    assert "no-such-printer.local cannot be resolved" in what


async def test_https_to_a_plain_port_is_explained(server: Any, jpeg: MakeJpeg) -> None:
    server.respond(jpeg(10))
    what, hint = await complaint(server.url.replace("http:", "https:"))
    assert "TLS" in what or "closed the connection" in what
    assert hint


def test_an_address_of_another_kind_is_refused_at_once() -> None:
    with pytest.raises(CameraSetupError, match="not an http address"):
        HttpCamera("ftp://camera/picture.jpg")


async def test_a_login_in_the_address_is_percent_decoded(server: Any, jpeg: MakeJpeg) -> None:
    server.respond(jpeg(3))
    await shoot(server.url.replace("http://", "http://admin:p%40ss%231@"))
    sent = server.requests[-1][1]["authorization"]
    assert base64.b64decode(sent.split()[1]) == b"admin:p@ss#1"


async def test_a_whole_picture_counts_whatever_its_length_header_says(server: Any, jpeg: MakeJpeg) -> None:
    picture = jpeg(30)

    async def too_long(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n")
        writer.write(f"Content-Length: {len(picture) + 1000}\r\n\r\n".encode() + picture)

    server.answer = too_long
    assert await shoot(server.url) == picture


async def test_a_whole_picture_is_taken_at_once_though_the_camera_holds_on(
    server: Any, jpeg: MakeJpeg
) -> None:
    picture = jpeg(30)
    server.stream(picture[:700], picture[700:], kind="image/jpeg")
    assert await asyncio.wait_for(shoot(server.url), 2) == picture


async def test_half_a_picture_is_still_no_picture(server: Any, jpeg: MakeJpeg) -> None:
    picture = jpeg(30, (320, 240))

    async def cut(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(picture)}\r\n\r\n".encode() + picture[:-200])

    server.answer = cut
    assert "cut off" in (await complaint(server.url))[0]


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent Type: image/jpeg\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Type : image/jpeg\n\n",
        b"HTTP/1.1 200\r\nX-Camera\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
    ],
)
async def test_headers_that_break_the_rules_do_not_cost_the_picture(
    server: Any, jpeg: MakeJpeg, head: bytes
) -> None:
    picture = jpeg(31)

    async def answer(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        assert headers["authorization"].startswith("Basic ")
        writer.write(head + picture)

    server.answer = answer
    assert await shoot(server.url.replace("http://", "http://anna:x@") + "/snap?w=1") == picture
    assert server.requests[-1][0] == "/snap?w=1"


async def test_a_digest_password_is_never_sent_as_basic(server: Any, jpeg: MakeJpeg) -> None:
    async def answer(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 401 No\r\nWWW Authenticate: Digest\r\n\r\n")

    server.answer = answer
    await complaint(server.url, user="anna", password="s3cret", digest=True)
    assert len(server.requests) == 2
    assert all("authorization" not in headers for _, headers in server.requests)


async def test_a_stream_of_boundaries_alone_ends_in_time() -> None:
    async def boundaries(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"--f\r\nContent-Type: image/jpeg\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)

    listening = await asyncio.start_server(boundaries, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        camera = HttpCamera(f"http://127.0.0.1:{port}", timeout=0.2)
        with pytest.raises(CameraError, match="no complete picture"):
            await asyncio.wait_for(camera.snapshot(), 5)
        await camera.close()


@pytest.fixture
def own_certificate(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """TLS with a certificate that a camera made itself, for another name; and that certificate's file."""
    made = trustme.CA().issue_cert("camera.invalid")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.configure_cert(context)
    pem = tmp_path / "camera.pem"
    made.cert_chain_pems[0].write_to_path(str(pem))
    return context, str(pem)


async def test_a_camera_with_its_own_certificate_can_be_used(
    own_certificate: tuple[ssl.SSLContext, str], jpeg: MakeJpeg
) -> None:
    context, pem = own_certificate
    picture = jpeg(5)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(picture)}\r\n\r\n".encode() + picture)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        what, hint = await complaint(url)
        assert "untrusted certificate" in what and "verify = false" in hint
        assert await shoot(url, tls=private_tls()) == picture
        assert await shoot(url, tls=private_tls(pem)) == picture
        other = trustme.CA().issue_cert("other.invalid")
        with other.cert_chain_pems[0].tempfile() as another:
            assert "untrusted certificate" in (await complaint(url, tls=private_tls(another)))[0]
