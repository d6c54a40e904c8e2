"""What path-traced pictures vary beyond the simulator: light, filament, framing, tangle, camera processing.

Ranges are by eye, beside webcam pictures of real prints: those have harsher light and more colour and are
closer to the print than the fast renderer's, their backgrounds blow out, and a tangle is many strands deep.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.camera import SimulatedCamera
from layerwatch.simulator.randomness import Rng, between, choose, happens, stream
from layerwatch.simulator.scene import Scene, Strand

Points = NDArray[np.float64]
MAX_ZOOM = 2.6


@dataclass(frozen=True)
class Lamp:
    """place: head, eye or room; strength: its light on the print, where a full key light gives 1."""

    place: str
    strength: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """sun, sky, wall: factors of the simulator's key light, room light and backdrop; metal, clear: 0..1.

    vivid: factor on the filament's saturation; match: how far the bed takes the filament's colour, 0..1.
    fill: share of the picture's width that the print takes, or None for the simulator's own framing.
    thick: factor on loose strands' radius; copies: more strands of a tangle for each that the simulator lays.
    punch: 0..1, an S-curve; saturation: factor; bloom: share of the light above white that spreads.
    gain: the camera's, beyond its automatic exposure; sharpen: its sharpening, percent.
    """

    sun: float
    sky: float
    tint: tuple[float, float, float]
    wall: float
    lamps: tuple[Lamp, ...]
    rough: float
    metal: float
    clear: float
    vivid: float
    match: float
    fill: float | None
    thick: float
    copies: int
    punch: float
    saturation: float
    bloom: float
    gain: float
    sharpen: float


def random_look(seed: int) -> Look:
    rng = stream(seed, "fine look")
    mood = choose(rng, {"day": 5.0, "lamp": 2.5, "night": 1.2, "coloured": 1.3})
    sun, sky, wall = between(rng, 0.4, 1.5), between(rng, 0.4, 1.3), float(np.exp(rng.normal(0.45, 0.65)))
    tint, lamps = (1.0, 1.0, 1.0), []
    if mood == "lamp":
        sun, sky, wall = sun * between(rng, 0.0, 0.4), sky * between(rng, 0.15, 0.6), wall * 0.5
        lamps = [_lamp(rng, "room", 0.5, 1.6)]
    elif mood == "night":
        sun, sky, wall = 0.0, sky * between(rng, 0.02, 0.2), wall * 0.08
        lamps = [_lamp(rng, "eye" if happens(rng, 0.5) else "room", 0.6, 1.2)]
    elif mood == "coloured":
        tint, sun = _neon(rng), sun * between(rng, 0.0, 0.5)
        lamps = [Lamp("room", between(rng, 0.3, 1.2), _neon(rng))]
    if happens(rng, 0.3):
        lamp = _lamp(rng, "head", 0.15, 0.9)
        lamps.append(replace(lamp, colour=_neon(rng)) if happens(rng, 0.35) else lamp)
    finish = choose(rng, {"plain": 5.0, "silk": 1.6, "matte": 1.5, "clear": 0.9})
    return Look(
        sun=sun,
        sky=sky,
        tint=tint,
        wall=wall,
        lamps=tuple(lamps),
        rough={"silk": between(rng, 0.2, 0.4), "matte": 0.85}.get(finish, between(rng, 0.25, 0.6)),
        metal=between(rng, 0.3, 0.8) if finish == "silk" else 0.0,
        clear=between(rng, 0.3, 0.75) if finish == "clear" else 0.0,
        vivid=between(rng, 0.9, 1.5),
        match=between(rng, 0.5, 0.9) if happens(rng, 0.12) else 0.0,
        fill=between(rng, 0.35, 0.95) if happens(rng, 0.6) else None,
        thick=float(np.exp(rng.normal(0.1, 0.3))),
        copies=int(rng.integers(1, 6)) if happens(rng, 0.5) else 0,
        punch=between(rng, 0.1, 1.0),
        saturation=between(rng, 0.8, 1.5),
        bloom=between(rng, 0.0, 0.5) if happens(rng, 0.6) else 0.0,
        gain=between(rng, 1.0, 1.7),
        sharpen=between(rng, 60, 220) if happens(rng, 0.7) else 0.0,
    )


def _lamp(rng: Rng, place: str, least: float, most: float) -> Lamp:
    warm = rng.normal(0.1, 0.15)
    return Lamp(
        place, between(rng, least, most), (1.0, float(1 - abs(warm) * 0.4), float(np.clip(1 - warm, 0.3, 1)))
    )


def _neon(rng: Rng) -> tuple[float, float, float]:
    """The light of a strip of coloured diodes."""
    hues = {
        (0.75, 0.35, 1.0): 2.0,
        (0.3, 0.4, 1.0): 1.5,
        (1.0, 0.25, 0.2): 1.0,
        (0.3, 1.0, 0.4): 0.6,
        (1.0, 0.35, 0.8): 1.2,
    }
    hue = np.array(choose(rng, hues))
    r, g, b = hue + (1 - hue) * between(rng, 0.0, 0.6)
    return float(r), float(g), float(b)


def vivid(colour: Points, factor: float) -> Points:
    """sRGB colours (…, 3) with their saturation multiplied."""
    grey = colour.mean(axis=-1, keepdims=True)
    return np.asarray(np.clip(grey + (colour - grey) * factor, 0.01, 0.98), np.float64)


def tangled(scene: Scene, look: Look, seed: int) -> list[Strand]:
    """The scene's strands at the look's thickness; each failed one once more for each copy, turned about the
    tangle's middle and never sunk into the bed.
    """
    rng = stream(seed, "fine tangle")
    failed = [strand for strand in scene.strands if strand.label and len(strand.points) > 30]
    strands = [replace(strand, radius=strand.radius * look.thick) for strand in scene.strands]
    if not failed:
        return strands
    middle = np.concatenate([strand.points for strand in failed]).mean(axis=0) * [1, 1, 0]
    for strand in failed:
        for _ in range(look.copies):
            angle, grow = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.2)
            turn = np.array(
                [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
            )
            points = (strand.points - middle) @ turn * [grow, grow, rng.uniform(0.8, 1.3)] + middle
            points[:, :2] += rng.normal(0, 3, 2)
            strands.append(replace(strand, points=points, radius=strand.radius * look.thick))
    return strands


def framed(camera: SimulatedCamera, points: Points, fill: float) -> SimulatedCamera:
    """The camera turned to points (n, 3) and zoomed until they take `fill` of the picture's width, at most
    `MAX_ZOOM` times; never wider than it was.
    """
    pixels, _ = camera.project(points)
    pixels = pixels[np.isfinite(pixels).all(axis=1)]
    if not len(pixels):
        return camera
    low, high = np.quantile(pixels, [0.02, 0.98], axis=0)
    low, high = (
        np.clip(low, 0, [camera.width, camera.height]),
        np.clip(high, 0, [camera.width, camera.height]),
    )
    share = float(max((high - low)[0] / camera.width, (high - low)[1] / camera.height, 0.05))
    zoom = min(fill / share, MAX_ZOOM)
    if zoom <= 1.05:
        return camera
    x, y = ((low + high) / 2 - [camera.width / 2, camera.height / 2]) / camera.focal
    right, down, forward = camera.axes
    target = np.array(camera.eye) + (forward + right * x + down * y) * 100
    view = 2 * np.degrees(np.arctan(np.tan(np.radians(camera.view) / 2) / zoom))
    return replace(camera, target=(float(target[0]), float(target[1]), float(target[2])), view=float(view))
