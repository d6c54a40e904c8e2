"""Cameras through ffmpeg: with a real ffmpeg where there is one, and its failures in plain words."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from layerwatch_watcher.cameras import CameraError, CameraSetupError, EndOfPictures, open_source
from layerwatch_watcher.cameras.ffmpeg import FfmpegCamera, VideoFileCamera, find_ffmpeg, rtsp_camera
from layerwatch_watcher.cameras.jpeg import size_of


@pytest.fixture(scope="module")
def ffmpeg() -> str:
    try:
        return find_ffmpeg()
    except CameraSetupError:
        pytest.skip("no ffmpeg on this machine")


@pytest.fixture(scope="module")
def video(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of moving test picture."""
    path = tmp_path_factory.mktemp("video") / "print.mp4"
    arguments = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=320x240:rate=10:duration=6",
        "-pix_fmt",
        "yuv420p",
        str(path),
    ]
    subprocess.run([ffmpeg, "-loglevel", "error", "-y", *arguments], check=True)
    return path


async def test_a_video_gives_pictures_at_the_given_rate_and_then_ends(video: Path) -> None:
    camera = open_source(str(video), fps=1)
    assert isinstance(camera, VideoFileCamera)
    seen = []
    with pytest.raises(EndOfPictures):
        while True:
            seen.append(await camera.snapshot())
    assert 6 <= len(seen) <= 7
    assert len(set(seen)) >= 6
    assert size_of(seen[0]) == (320, 240)
    await camera.close()


async def test_a_video_left_early_leaves_no_process(ffmpeg: str, video: Path, tmp_path: Path) -> None:
    noted, number = tmp_path / "ffmpeg", tmp_path / "number"
    noted.write_text(f'#!/bin/sh\necho $$ > {number}\nexec {ffmpeg} "$@"\n')
    noted.chmod(0o755)
    camera = VideoFileCamera(video, fps=10, ffmpeg=str(noted))
    await camera.snapshot()
    await camera.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)


async def test_a_file_that_is_no_video_is_said_to_be_that(ffmpeg: str, tmp_path: Path) -> None:
    path = tmp_path / "print.mp4"
    path.write_bytes(b"no video at all" * 100)
    with pytest.raises(CameraSetupError, match="not a video that ffmpeg can read"):
        await VideoFileCamera(path, fps=1).snapshot()


async def test_one_picture_from_whatever_ffmpeg_opens(ffmpeg: str) -> None:
    camera = FfmpegCamera(["-f", "lavfi", "-i", "testsrc=size=160x120"], "a test picture")
    assert size_of(await camera.snapshot()) == (160, 120)


async def test_a_source_that_hangs_is_given_up_and_its_process_ended(tmp_path: Path) -> None:
    hanging = tmp_path / "ffmpeg"
    hanging.write_text("#!/bin/sh\nexec sleep 30\n")
    hanging.chmod(0o755)
    camera = FfmpegCamera(["-i", "x"], "the camera", timeout=0.2, ffmpeg=str(hanging))
    began = time.monotonic()
    with pytest.raises(CameraError, match=r"no picture in 0\.2 s"):
        await camera.snapshot()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("Connection refused", "nothing listens"),
        ("401 Unauthorized", "refuses the login"),
        ("404 Not Found", "no such stream"),
        ("[in#0 @ 0x55a401e80404] method DESCRIBE failed: 404 (Not Found)", "no such stream"),
        ("[in#0 @ 0x55a404e80401] method DESCRIBE failed: 401 (Unauthorized)", "refuses the login"),
        ("[in#0 @ 0x55a401e80404] Error opening input: End of file", "got no picture"),
        ("No route to host", "cannot be reached"),
        ("Permission denied", "no permission"),
        ("Device or resource busy", "in use by another program"),
        ("something new", "got no picture"),
    ],
)
async def test_ffmpegs_words_become_plain_ones_and_hide_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stderr: str, message: str
) -> None:
    complaining = tmp_path / "ffmpeg"
    complaining.write_text(f"#!/bin/sh\necho 'rtsp://eva:s3cret@cam/1: {stderr}' >&2\nexit 1\n")
    complaining.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    camera = rtsp_camera("rtsp://eva:s3cret@cam/1")
    with pytest.raises(CameraError) as caught:
        await camera.snapshot()
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value) + caught.value.hint


async def test_nothing_listening_for_rtsp_is_reported(ffmpeg: str) -> None:
    with pytest.raises(CameraError, match=r"nothing listens|got no picture"):
        await asyncio.wait_for(rtsp_camera("rtsp://127.0.0.1:9/stream").snapshot(), 15)
