"""Cameras that need a video decoder: RTSP, USB and video files, through the ffmpeg program.

ffmpeg is found on PATH, or in the package `imageio-ffmpeg` (extra `layerwatch-watcher[video]`), which
brings one for common machines. It runs only while a picture is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from pathlib import Path
from typing import Optional, Tuple

from layerwatch_watcher.cameras.addresses import redact
from layerwatch_watcher.cameras.base import CameraError, CameraSetupError, EndOfPictures, checked
from layerwatch_watcher.cameras.mjpeg import MjpegParser
from layerwatch_watcher.waiting import within

# A USB camera's first pictures are dark while its exposure settles; this one is used.
_USB_SETTLED_FRAME = 8
_JPEG_OUT = ["-q:v", "3", "-f", "image2pipe", "-c:v", "mjpeg", "-"]
_CHUNK = 128 * 1024
# Its lines begin with an address in memory, in which any three digits may stand.
_REFUSED = re.compile(r"\b(?:failed:|error|returned) 401\b|\bunauthorized\b")
_ABSENT = re.compile(r"\b(?:failed:|error|returned) 404\b|\b404 not found\b")


def find_ffmpeg() -> str:
    """The ffmpeg to run. Raises CameraSetupError that names what to install."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise CameraSetupError(
            "this camera needs ffmpeg, which is not installed",
            "sudo apt install ffmpeg, or pip install 'layerwatch-watcher[video]'",
        ) from None
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise CameraSetupError(
            "the package imageio-ffmpeg has no ffmpeg for this machine", "sudo apt install ffmpeg"
        ) from None


class FfmpegCamera:
    """One picture a call from whatever ffmpeg can open; a process for each picture, killed at `timeout`.

    arguments: ffmpeg's input options and input, up to and with `-i INPUT`.
    shown: what to call the source in messages, without secrets.
    """

    def __init__(
        self, arguments: list[str], shown: str, *, filters: str = "", timeout: float = 20.0, ffmpeg: str = ""
    ) -> None:
        self._ffmpeg = ffmpeg or find_ffmpeg()
        self._arguments = arguments
        self._filters = ["-vf", filters] if filters else []
        self.shown = shown
        self._timeout = timeout

    async def snapshot(self) -> bytes:
        """One whole JPEG. Raises CameraError with ffmpeg's own last words."""
        process = await asyncio.create_subprocess_exec(
            self._ffmpeg,
            *["-nostdin", "-hide_banner", "-loglevel", "error", *self._arguments, *self._filters],
            *["-frames:v", "1", *_JPEG_OUT],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, stderr = await within(_first_picture(process), self._timeout)
        except asyncio.TimeoutError:
            raise CameraError(
                f"{self.shown} returned no picture in {self._timeout:g} s",
                "check that the camera is on and not in use by another program",
            ) from None
        finally:
            await _reap(process)
        if not out:
            raise CameraError(*_plain(stderr, self.shown))
        return checked(out, self.shown)

    async def close(self) -> None:
        """Nothing is held between two pictures."""


class VideoFileCamera:
    """Frames of a video file, `fps` of them for each second of the video; EndOfPictures after the last."""

    def __init__(self, path: Path, *, fps: float, ffmpeg: str = "") -> None:
        if not path.is_file():
            raise CameraSetupError(f"there is no file {path}", "check the path")
        self._ffmpeg = ffmpeg or find_ffmpeg()
        self._path = path
        self._fps = fps
        self._process: Optional[asyncio.subprocess.Process] = None
        self._parser = MjpegParser()
        self._ready: list[bytes] = []
        self._given = 0

    async def snapshot(self) -> bytes:
        """The next frame. Raises EndOfPictures, or CameraSetupError for a file that is not a video."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                self._ffmpeg,
                *["-nostdin", "-hide_banner", "-loglevel", "error", "-i", str(self._path)],
                *["-vf", f"fps={self._fps:.6g}:round=up", *_JPEG_OUT],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        stdout = self._process.stdout
        assert stdout is not None
        while not self._ready:
            piece = await stdout.read(_CHUNK)
            if not piece:
                await self._ended()
            self._ready = self._parser.feed(piece)
        self._given += 1
        return checked(self._ready.pop(0), self._path.name)

    async def _ended(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        if self._given == 0:
            what, hint = _plain(await self._process.stderr.read(), self._path.name)
            raise CameraSetupError(what, hint or "check that the file is a video")
        raise EndOfPictures(f"{self._path.name} has no frames left")

    async def close(self) -> None:
        """End ffmpeg."""
        if self._process is not None:
            await _reap(self._process)


def rtsp_camera(url: str, *, timeout: float = 20.0, udp: bool = False) -> FfmpegCamera:
    """A network camera's RTSP or RTSPS stream. TCP unless `udp`: over UDP, pictures lose pieces."""
    arguments = ["-rtsp_transport", "udp" if udp else "tcp", "-i", url]
    return FfmpegCamera(arguments, redact(url), timeout=timeout)


def usb_camera(device: str, *, size: str = "1280x720", timeout: float = 20.0) -> FfmpegCamera:
    """A camera on this machine's USB (Linux, `/dev/video0`), asked for `size` if it has that."""
    if not Path(device).exists():
        present = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise CameraSetupError(
            f"there is no camera at {device}",
            f"present are: {', '.join(present)}" if present else "no /dev/video* is present; plug one in",
        )
    return FfmpegCamera(
        ["-f", "v4l2", "-video_size", size, "-i", device],
        device,
        filters=f"select=gte(n\\,{_USB_SETTLED_FRAME})",
        timeout=timeout,
    )


def _plain(stderr: bytes, shown: str) -> tuple[str, str]:
    """ffmpeg's error for the user. Its own text may contain the password, so it is never shown."""
    text = stderr.decode("utf-8", "replace").lower()
    if _REFUSED.search(text):
        return f"{shown} refuses the login", "check user and password"
    if "connection refused" in text:
        return f"nothing listens at {shown}", "check the port, and that the camera's stream is switched on"
    if _ABSENT.search(text):
        return f"{shown} has no such stream", "check the path; the camera's manual names it"
    if "no route" in text or "timed out" in text or "unreachable" in text:
        return f"{shown} cannot be reached", "check that it is on and in the same network"
    if "permission denied" in text:
        return (
            f"no permission to open {shown}",
            "add the user to the group video: sudo usermod -aG video $USER",
        )
    if "busy" in text:
        return f"{shown} is in use by another program", "stop that program, or use its snapshot address"
    if "invalid data" in text or "moov atom" in text:
        return f"{shown} is not a video that ffmpeg can read", ""
    return f"ffmpeg got no picture from {shown}", "try it by hand: ffplay ADDRESS"


async def _first_picture(process: asyncio.subprocess.Process) -> Tuple[bytes, bytes]:
    """The first whole JPEG that ffmpeg wrote, also when it does not end then; and what it complained of."""
    assert process.stdout is not None and process.stderr is not None
    complaints = asyncio.ensure_future(process.stderr.read())
    parser = MjpegParser()
    out = b""
    try:
        while True:
            piece = await process.stdout.read(_CHUNK)
            if not piece:
                return out, await complaints
            out += piece
            frames = parser.feed(piece)
            if frames:
                return frames[0], b""
    finally:
        complaints.cancel()


async def _reap(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    # Reading out the pipes lets the transport close them.
    await process.communicate()
