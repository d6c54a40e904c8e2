"""Pictures from real streaming software: RTSP from GStreamer's server, MJPEG from ustreamer and ffmpeg."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from watcher.tests.real.scene import free_port

from layerwatch_watcher.cameras import CameraError, jpeg
from layerwatch_watcher.cameras.addresses import with_login
from layerwatch_watcher.cameras.ffmpeg import find_ffmpeg, rtsp_camera
from layerwatch_watcher.cameras.http import HttpCamera

pytestmark = pytest.mark.timeout(300)

SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")
LOGIN = ("admin", "pass word/@:")


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def missing(packages: str) -> NoReturn:
    """What is not installed fails the build, and is passed over on a developer's own machine."""
    words = f"not installed here: {packages}"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


@asynccontextmanager
async def rtsp(*login: str) -> AsyncIterator[str]:
    async with program(SYSTEM_PYTHON, str(RTSP_SERVER), *login) as process:
        assert process.stdout is not None
        port = await process.stdout.readline()
        if not port:
            missing(
                "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
            )
        yield f"rtsp://127.0.0.1:{int(port)}"


async def test_rtsp_over_tcp() -> None:
    async with rtsp() as url:
        camera = rtsp_camera(f"{url}/h264", timeout=60)
        for _ in range(2):
            assert jpeg.size_of(await camera.snapshot()) == (640, 480)
        with pytest.raises(CameraError, match="has no such stream"):
            await rtsp_camera(f"{url}/nothing", timeout=60).snapshot()
    with pytest.raises(CameraError, match="nothing listens"):
        await rtsp_camera(f"{url}/h264", timeout=60).snapshot()


async def test_rtsp_over_udp() -> None:
    async with rtsp() as url:
        picture = await rtsp_camera(f"{url}/h264", udp=True, timeout=60).snapshot()
        assert jpeg.size_of(picture) == (640, 480)


async def test_rtsp_with_a_login() -> None:
    async with rtsp(*LOGIN) as url:
        camera = rtsp_camera(with_login(f"{url}/h264", *LOGIN), timeout=60)
        assert jpeg.size_of(await camera.snapshot()) == (640, 480)
        for wrong in (f"{url}/h264", with_login(f"{url}/h264", "admin", "wrong")):
            with pytest.raises(CameraError, match="refuses the login") as caught:
                await rtsp_camera(wrong, timeout=60).snapshot()
            assert "wrong" not in str(caught.value)


async def until_it_listens(url: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(300):
            try:
                await client.get(url)
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
            else:
                return
    raise AssertionError(f"{url} did not come up")


async def test_ustreamer_snapshot_and_stream() -> None:
    """Without a camera it shows its own "no signal", by the same protocol."""
    found = shutil.which("ustreamer")
    if found is None:
        missing("ustreamer")
    port = free_port()
    async with program(found, "--host", "127.0.0.1", "--port", str(port), "--device", "/dev/none"):
        url = f"http://127.0.0.1:{port}"
        await until_it_listens(f"{url}/state")
        sizes = set()
        for path in ("snapshot", "stream", "?action=snapshot", "?action=stream"):
            camera = HttpCamera(f"{url}/{path}")
            for _ in range(2):
                sizes.add(jpeg.size_of(await camera.snapshot()))
            await camera.close()
        assert len(sizes) == 1 and None not in sizes


async def test_ffmpegs_mjpeg_stream() -> None:
    port = free_port()
    source = ["-re", "-f", "lavfi", "-i", "testsrc=size=640x480:rate=10", "-f", "mpjpeg", "-listen", "1"]
    source += ["-content_type", "multipart/x-mixed-replace;boundary=ffmpeg"]
    async with program(find_ffmpeg(), "-loglevel", "error", *source, f"http://127.0.0.1:{port}/"):
        camera = HttpCamera(f"http://127.0.0.1:{port}/")
        for _ in range(100):
            try:
                picture = await camera.snapshot()
            except CameraError:
                await asyncio.sleep(0.1)
            else:
                break
        assert jpeg.size_of(picture) == (640, 480)
        await camera.close()
