"""Choose the camera type for a source given on the command line."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Optional

import httpx

from layerwatch_watcher.cameras.addresses import redact
from layerwatch_watcher.cameras.base import Camera, CameraSetupError
from layerwatch_watcher.cameras.ffmpeg import VideoFileCamera, rtsp_camera, usb_camera
from layerwatch_watcher.cameras.files import FolderCamera, MjpegFileCamera, holds_mjpeg
from layerwatch_watcher.cameras.http import HttpCamera

_HOST_LIKE = re.compile(r"^(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?(/|$)", re.ASCII)


def is_recording(source: str) -> bool:
    """True if `source` is a folder or a video file: pictures of the past, that need not be waited for."""
    return "://" not in source and not source.startswith("/dev/") and Path(source).exists()


def open_source(
    source: str,
    *,
    fps: float = 1 / 30,
    client: Optional[httpx.AsyncClient] = None,
    tls: Optional[ssl.SSLContext] = None,
    timeout: float = 10.0,
) -> Camera:
    """A camera for a URL (JPEG, MJPEG, RTSP), `/dev/video0`, a folder of frames, or a video file.

    fps: pictures to take for each second of a video file (not used for Motion-JPEG, which has no clock).
    tls: for an https camera with a self-signed certificate; see `private_tls`.
    Raises CameraSetupError if `source` is none of these.
    """
    scheme = source.split("://", 1)[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        return HttpCamera(source, client=client, tls=tls, timeout=timeout)
    if scheme in ("rtsp", "rtsps"):
        return rtsp_camera(source)
    if scheme:
        raise CameraSetupError(
            f"{redact(source)}: {scheme}:// addresses are not supported",
            "use an http, https or rtsp address, a folder, or a video file",
        )
    if source.startswith("/dev/video"):
        return usb_camera(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return FolderCamera(path)
    if path.is_file():
        if path.suffix.lower() in (".jpg", ".jpeg"):
            raise CameraSetupError(
                f"{path} is a single picture", "to inspect single pictures, run layerwatch inspect FILE…"
            )
        return MjpegFileCamera(path) if holds_mjpeg(path) else VideoFileCamera(path, fps=fps)
    if _HOST_LIKE.match(source):
        return HttpCamera(source, client=client, tls=tls, timeout=timeout)
    raise CameraSetupError(
        f"{source} is not a folder, file or address",
        "use a camera's address (http://HOST/…), a folder of JPEGs, or a video file",
    )
