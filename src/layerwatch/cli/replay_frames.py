"""The pictures of a past print, in order: a folder of JPEGs, Motion-JPEG, or a video."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from layerwatch_watcher.cameras import CameraError, EndOfPictures, open_source

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif"}
TRUTH = "truth.jsonl"
"""What `layerwatch simulate` writes beside its pictures."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: what to call it, and its bytes, or the reason why it has none."""

    name: str
    jpeg: bytes = b""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """shots: in order.  count: how many, None if not known beforehand.  skipped: files passed over.

    interval, onset: seconds between pictures, and the second at which the print failed; None if not known.
    """

    shots: Iterator[Shot]
    count: int | None
    skipped: tuple[str, ...] = ()
    interval: float | None = None
    onset: float | None = None


def open_recording(source: Path, fps: float) -> Recording:
    """The pictures of `source`.

    fps: pictures for each second of a video; Motion-JPEG has no clock and gives every frame.
    Raises CameraError, with a hint, when `source` holds no pictures that can be read.
    """
    if not source.exists():
        raise CameraError(f"There is no folder or file {source}.", "Check the path.")
    if not source.is_dir():
        return Recording(_video(source, fps), None)
    files = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not pictures:
        raise CameraError(f"{source} holds no JPEG files.", "Convert other pictures to .jpg first.")
    others = {path.name for path in files} - {path.name for path in pictures} - {TRUTH}
    interval, onset = _truth(source / TRUTH)
    return Recording(map(_read, pictures), len(pictures), tuple(sorted(others)), interval, onset)


def _truth(path: Path) -> tuple[float | None, float | None]:
    """`Recording.interval` and `onset` as `layerwatch simulate` wrote them; None for what is not there."""
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()[:2]]
        seconds = [float(line["second"]) for line in lines]
        onset = lines[0]["onset"]
        interval = seconds[1] - seconds[0] if len(seconds) > 1 else 0.0
        return (interval if interval > 0 else None), (None if onset is None else float(onset) - seconds[0])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None, None


def _read(path: Path) -> Shot:
    try:
        return Shot(path.name, path.read_bytes())
    except OSError as error:
        return Shot(path.name, error=f"cannot be read: {error.strerror}")


def _video(path: Path, fps: float) -> Iterator[Shot]:
    with asyncio.Runner() as runner:
        camera = open_source(str(path), fps=fps)
        number = 0
        try:
            while True:
                number += 1
                name = f"{path.name}#{number:05d}"
                try:
                    yield Shot(name, runner.run(camera.snapshot()))
                except EndOfPictures:
                    return
                except CameraError as error:
                    if number == 1:  # no video at all
                        raise
                    yield Shot(name, error=str(error))
        finally:
            runner.run(camera.close())
