"""How fast this process judges pictures: taken over from the one before it, or measured, before it serves."""

from __future__ import annotations

import asyncio
import io
import time
from contextlib import suppress

import numpy as np
from PIL import Image

from layerwatch.fleet.heartbeat import Heartbeat
from layerwatch.services import Services
from layerwatch.vision.errors import VisionError
from layerwatch.vision.inspector import Inspector

DEFAULT_CAPACITY = 20.0
"""Inspections a second, until the calibration at start: half of a slow core's."""

CALIBRATION_MAX_AGE_S = 60.0
"""Seconds. A process that follows another within them takes its measured capacity over: a start in mid-load
would calibrate badly, and a second later. If the machine or the model changed with it, live corrections find
out."""

CALIBRATION_PICTURES = 24
CALIBRATION_SECONDS = 1.0
"""The calibration ends after so many pictures, or so long: a start should not be held up by it."""


async def take_over(services: Services, heart: Heartbeat) -> bool:
    """Go on where the process that ran here before ended: with its prints, and with its capacity if that was
    measured lately. Whether it was."""
    found = await heart.inherit()
    if found is None:
        return False
    last, ago = found
    services.pacer.inherit(
        last.prints, last.capacity, ago * services.settings.clock_speed, services.clock.now()
    )
    if ago > CALIBRATION_MAX_AGE_S:
        return False
    services.capacity.calibrate(last.capacity)
    return True


async def calibrate(vision: Inspector) -> float:
    """Inspections a second that the detector does on this machine with several calls under way."""
    picture = _noise()
    with suppress(VisionError):
        await vision.ainspect(picture)  # the first one warms up
        done, began = 0, time.perf_counter()
        while done < CALIBRATION_PICTURES and time.perf_counter() - began < CALIBRATION_SECONDS:
            await asyncio.gather(*(vision.ainspect(picture) for _ in range(8)))
            done += 8
        return done / (time.perf_counter() - began)
    return DEFAULT_CAPACITY


def _noise() -> bytes:
    """A 1280x720 JPEG with as much detail as a camera's."""
    coarse = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((1280, 720), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    return out.getvalue()
