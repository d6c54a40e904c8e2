"""A print's kept pictures as a film, with its alarm marked: animated WebP, or MP4 where ffmpeg is there."""

from __future__ import annotations

import io
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from layerwatch.core.errors import UserError
from layerwatch.prints.kept_pictures import read_copy
from layerwatch.prints.moments import Moment
from layerwatch.storage import ObjectMissing, ObjectStore

MAX_FRAMES, MAX_RISES = 240, 60
FRAME_MS = 90
HOLD_MS = 1500
"""How long the first frame of an alarm, and the last of all, are shown."""
WEBP_QUALITY = 60
ENCODER_TIMEOUT_S = 60.0

_RED, _AMBER = (179, 38, 30), (154, 98, 7)
_ONE_AT_A_TIME = threading.BoundedSemaphore(1)
"""Of a process: making one takes a core for seconds."""


class TimeLapseError(UserError):
    """There is none to be had, or not now."""


@dataclass(frozen=True, slots=True)
class FilmPicture:
    """One picture of the film. alarm: 0 none, 1 warning, 2 pause suggested.  turns: whether it just rose."""

    second: int
    alarm: int
    turns: bool


def shots(kept: Sequence[int], course: Sequence[Moment]) -> list[FilmPicture]:
    """The pictures to show: about `MAX_FRAMES` of the kept ones, evenly; at most `MAX_RISES` more, where an
    alarm rises."""
    alarms = {one.second: 2 if one.pause else int(one.warning) for one in course}
    found: list[FilmPicture] = []
    before = 0
    for second in kept:
        alarm = alarms.get(second, before)
        found.append(FilmPicture(second, alarm, alarm > before))
        before = alarm
    step = max(1.0, len(found) / MAX_FRAMES)
    wanted = {round(number * step) for number in range(MAX_FRAMES)}
    wanted |= set([place for place, one in enumerate(found) if one.turns][:MAX_RISES])
    return [one for place, one in enumerate(found) if place in wanted or place == len(found) - 1]


def webp(objects: ObjectStore, account_id: int, context_id: str, film: Sequence[FilmPicture]) -> bytes:
    """The film as an animated WebP. Raises TimeLapseError, and StorageUnavailable."""
    with _turn():
        frames = list(_frames(objects, account_id, context_id, film))
        if not frames:
            raise TimeLapseError("No picture of this print is kept here.")
        out = io.BytesIO()
        first, rest = frames[0][0], [frame for frame, _ in frames[1:]]
        first.save(
            out,
            "WEBP",
            save_all=True,
            append_images=rest,
            duration=[_milliseconds(shot, frames[-1][1]) for _, shot in frames],
            loop=0,
            quality=WEBP_QUALITY,
            method=2,
        )
        return out.getvalue()


def mp4(
    ffmpeg: str, objects: ObjectStore, account_id: int, context_id: str, film: Sequence[FilmPicture]
) -> bytes:
    """The film as MP4 (H.264), made by the program `ffmpeg`. Raises as `webp`."""
    with _turn():
        stream = io.BytesIO()
        last = film[-1] if film else None
        for frame, shot in _frames(objects, account_id, context_id, film):
            jpeg = io.BytesIO()
            frame.save(jpeg, "JPEG", quality=90)
            stream.write(jpeg.getvalue() * round(_milliseconds(shot, last) / FRAME_MS))
        if not stream.tell():
            raise TimeLapseError("No picture of this print is kept here.")
        rate = ["-framerate", f"{1000 / FRAME_MS:.3f}"]
        command = [ffmpeg, "-loglevel", "error", "-f", "image2pipe", "-c:v", "mjpeg", *rate, "-i", "pipe:0"]
        command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
        command += ["-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "pipe:1"]
        try:
            made = subprocess.run(
                command, input=stream.getvalue(), capture_output=True, timeout=ENCODER_TIMEOUT_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise TimeLapseError("ffmpeg could not make the film. The WebP needs none.") from error
        return made.stdout


@contextmanager
def _turn() -> Iterator[None]:
    """Only one film is made at a time."""
    if not _ONE_AT_A_TIME.acquire(timeout=ENCODER_TIMEOUT_S / 4):
        raise TimeLapseError("Another time-lapse is being made. Try again in a moment.")
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


def _milliseconds(shot: FilmPicture, last: FilmPicture | None) -> int:
    return HOLD_MS if shot.turns or shot == last else FRAME_MS


def _frames(
    objects: ObjectStore, account_id: int, context_id: str, film: Sequence[FilmPicture]
) -> Iterator[tuple[Image.Image, FilmPicture]]:
    size: tuple[int, int] | None = None
    for shot in film:
        try:
            copy = read_copy(objects, account_id, context_id, shot.second)
        except ObjectMissing:
            continue
        with Image.open(io.BytesIO(copy.jpeg)) as picture:
            frame = picture.convert("RGB")
        size = size or frame.size
        if frame.size != size:  # of another camera
            frame = ImageOps.pad(frame, size)
        _mark(frame, shot)
        yield frame, shot


def _mark(frame: Image.Image, shot: FilmPicture) -> None:
    draw = ImageDraw.Draw(frame)
    font = ImageFont.load_default(size=13)
    hours, minutes = shot.second // 3600, shot.second % 3600 // 60
    time = f"{hours}:{minutes:02}"
    draw.text((7, 5), time, (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0))
    if shot.alarm:
        colour = _RED if shot.alarm == 2 else _AMBER
        words = "Pause suggested" if shot.alarm == 2 else "Warning"
        width, height = frame.size
        draw.rectangle((0, 0, width - 1, height - 1), outline=colour, width=4)
        draw.rectangle((0, height - 22, width, height), fill=colour)
        draw.text((8, height - 19), words, (255, 255, 255), font)
