"""What the service says after each picture of a past print: the same detector and temporal model."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from PIL import Image

from layerwatch.cli.replay_frames import Shot
from layerwatch.core.cores import usable_cores
from layerwatch.temporal import Levels, PrintState, Verdict, step
from layerwatch.vision import MAX_PICTURE_BYTES, Evidence, ImageDecodeError, Vision
from layerwatch.vision.jpeg.decoder import decode_jpeg

SMALL = (128, 112)
"""Largest width and height of a picture in the plot's strip, in pixels."""


@dataclass(frozen=True, slots=True)
class ReplayedPicture:
    """A picture, what vision saw in it and what the print looked like after it; no verdict if undecodable.

    small: the picture in small, where a plot was asked for.
    """

    name: str
    second: float
    small: Image.Image | None = None
    evidence: Evidence | None = None
    verdict: Verdict | None = None
    error: str = ""


def replay(
    vision: Vision, shots: Iterable[Shot], interval: float, levels: Levels, *, with_pictures: bool = False
) -> Iterator[ReplayedPicture]:
    """What the service says after each picture, `interval` seconds apart.

    A picture that cannot be decoded takes its time and moves nothing, as a failed call would.
    """
    state: PrintState | None = None
    for number, moment in enumerate(_look_ahead(vision, shots, with_pictures)):
        second, verdict = number * interval, None
        if moment.evidence is not None:
            state, verdict = step(state, moment.evidence, second, levels)
        yield replace(moment, second=second, verdict=verdict)


def _look_ahead(vision: Vision, shots: Iterable[Shot], with_pictures: bool) -> Iterator[ReplayedPicture]:
    """Look at pictures side by side, and yield what was seen in order."""
    threads = usable_cores()
    under_way: deque[Future[ReplayedPicture]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="layerwatch-replay")
    try:
        for shot in shots:
            under_way.append(pool.submit(_look, vision, shot, with_pictures))
            if len(under_way) >= 2 * threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _look(vision: Vision, shot: Shot, with_picture: bool) -> ReplayedPicture:
    error = shot.error
    if len(shot.jpeg) > MAX_PICTURE_BYTES:
        error = f"is larger than {MAX_PICTURE_BYTES:,} bytes"
    if error:
        return ReplayedPicture(shot.name, 0.0, error=error)
    try:
        evidence = vision.inspect(shot.jpeg)
    except ImageDecodeError as undecodable:
        return ReplayedPicture(shot.name, 0.0, error=str(undecodable))
    small = None
    if with_picture:
        small = Image.fromarray(decode_jpeg(shot.jpeg, at_least=SMALL[1]).pixels)
        small.thumbnail(SMALL)
    return ReplayedPicture(shot.name, 0.0, small, evidence)
