"""Cameras: whatever shows the print, as a thing that gives a JPEG when asked.

>>> camera = open_source("http://octopi.local/webcam/?action=snapshot")
>>> picture = await camera.snapshot()
"""

from layerwatch_watcher.cameras.base import (
    Camera,
    CameraError,
    CameraSetupError,
    EndOfPictures,
)
from layerwatch_watcher.cameras.files import FolderCamera, MjpegFileCamera
from layerwatch_watcher.cameras.http import HttpCamera
from layerwatch_watcher.cameras.sources import is_recording, open_source

__all__ = [
    "Camera",
    "CameraError",
    "CameraSetupError",
    "EndOfPictures",
    "FolderCamera",
    "HttpCamera",
    "MjpegFileCamera",
    "is_recording",
    "open_source",
]
