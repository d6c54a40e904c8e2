"""Folders, Motion-JPEG files and what a word on the command line means."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from layerwatch_watcher.cameras import (
    CameraError,
    CameraSetupError,
    EndOfPictures,
    FolderCamera,
    HttpCamera,
    MjpegFileCamera,
    is_recording,
    open_source,
)

MakeJpeg = Callable[..., bytes]


async def test_a_folder_gives_its_pictures_in_name_order_and_then_ends(
    tmp_path: Path, jpeg: MakeJpeg
) -> None:
    pictures = {name: jpeg(n) for n, name in enumerate(["b.jpg", "a.JPEG", "c.jpg"])}
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "notes.txt").write_text("not a picture")
    camera = open_source(str(tmp_path))
    seen = [await camera.snapshot() for _ in range(3)]
    assert seen == [pictures["a.JPEG"], pictures["b.jpg"], pictures["c.jpg"]]
    with pytest.raises(EndOfPictures):
        await camera.snapshot()


async def test_a_broken_picture_in_a_folder_is_named_and_the_next_one_follows(
    tmp_path: Path, jpeg: MakeJpeg
) -> None:
    (tmp_path / "1.jpg").write_bytes(b"")
    (tmp_path / "2.jpg").write_bytes(jpeg(1))
    camera = FolderCamera(tmp_path)
    with pytest.raises(CameraError, match=r"1\.jpg"):
        await camera.snapshot()
    assert await camera.snapshot() == (tmp_path / "2.jpg").read_bytes()


async def test_the_newest_picture_is_given_once(tmp_path: Path, jpeg: MakeJpeg) -> None:
    camera = FolderCamera(tmp_path, newest=True)
    with pytest.raises(CameraError, match="no picture yet"):
        await camera.snapshot()
    for n in (1, 2):
        (tmp_path / f"{n}.jpg").write_bytes(jpeg(n))
        os.utime(tmp_path / f"{n}.jpg", (100 * n, 100 * n))
    assert await camera.snapshot() == (tmp_path / "2.jpg").read_bytes()
    with pytest.raises(CameraError, match="no new picture"):
        await camera.snapshot()


async def test_a_motion_jpeg_file_needs_no_other_software(
    tmp_path: Path, jpeg: MakeJpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    frames = [jpeg(n) for n in range(3)]
    path = tmp_path / "print.mjpeg"
    path.write_bytes(b"".join(frames))
    camera = open_source(str(path))
    assert isinstance(camera, MjpegFileCamera)
    assert [await camera.snapshot() for _ in frames] == frames
    with pytest.raises(EndOfPictures):
        await camera.snapshot()
    await camera.close()


async def test_motion_jpeg_in_avi_is_read_too(tmp_path: Path, jpeg: MakeJpeg) -> None:
    frames = [jpeg(n) for n in range(3)]
    chunks = b"".join(b"00dc" + len(f).to_bytes(4, "little") + f + b"\0" * (len(f) % 2) for f in frames)
    path = tmp_path / "print.avi"
    path.write_bytes(b"RIFF\0\0\0\0AVI LIST....strhvidsMJPG" + b"\0" * 40 + b"movi" + chunks + b"idx1")
    camera = open_source(str(path))
    assert [await camera.snapshot() for _ in frames] == frames


def test_a_video_without_ffmpeg_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    (tmp_path / "print.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(CameraSetupError) as caught:
        open_source(str(tmp_path / "print.mp4"))
    assert "apt install ffmpeg" in caught.value.hint and "layerwatch-watcher[video]" in caught.value.hint


def test_a_word_means_what_a_person_means_by_it(tmp_path: Path, jpeg: MakeJpeg) -> None:
    (tmp_path / "1.jpg").write_bytes(jpeg(1))
    assert isinstance(open_source("octopi.local/webcam/?action=stream"), HttpCamera)
    assert isinstance(open_source("http://10.0.0.2/shot.jpg"), HttpCamera)
    assert isinstance(open_source(str(tmp_path)), FolderCamera)
    assert is_recording(str(tmp_path))
    assert not is_recording("http://10.0.0.2/shot.jpg")
    assert not is_recording("/dev/video0")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ftp://host/x", "not supported"),
        ("/no/such/folder", "not a folder, file or address"),
        ("/dev/video97", "no camera at /dev/video97"),
    ],
)
def test_an_unsupported_source_is_rejected_with_a_hint(source: str, message: str) -> None:
    with pytest.raises(CameraSetupError, match=message) as caught:
        open_source(source)
    assert caught.value.hint


def test_a_single_picture_points_to_inspect(tmp_path: Path, jpeg: MakeJpeg) -> None:
    (tmp_path / "1.jpg").write_bytes(jpeg(1))
    with pytest.raises(CameraSetupError) as caught:
        open_source(str(tmp_path / "1.jpg"))
    assert "layerwatch inspect" in caught.value.hint
