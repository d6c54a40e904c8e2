"""From linear light to what a webcam sends: exposure, glare, tone, hands, the camera's own faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from layerwatch.simulator import Simulation
from layerwatch.simulator.nuisances import hand_mask
from layerwatch.simulator.randomness import stream
from layerwatch_train.path_traced.looks import Look

Light = NDArray[np.float32]
Pixels = NDArray[np.uint8]
UNDER = 0.75
"""How far under the wanted brightness the sensor is exposed: a camera's gain makes up for it, whites stay."""


def photograph(
    simulation: Simulation, second: float, look: Look, light: Light, labels: Pixels
) -> tuple[Pixels, Pixels]:
    """The RGB picture (H, W, 3) and the mask (H, W) of rendered light (H, W, 3) and labels (H, W)."""
    rng = stream(simulation.seed, "fine moment")
    picture = toned(light * metered(light, simulation.exposure * UNDER), look)
    for event in simulation.timeline.active(second):
        if event.kind == "hand":
            bright = float(np.clip(np.asarray(picture).mean() / 128, 0.15, 0.95))
            colour, cover = hand_mask(event, second, *simulation.size, bright)
            picture.paste(colour, (0, 0), cover)
            labels = np.where(np.asarray(cover) > 128, 0, labels).astype(np.uint8)
    moment, _ = simulation.moment(second, rng)
    moment = replace(moment, gain=moment.gain * simulation.metered(picture) * look.gain)
    optics = replace(simulation.optics, sharpen=max(simulation.optics.sharpen, look.sharpen))
    rgb = optics.develop(picture, moment, rng, second)
    return rgb, np.ascontiguousarray(optics.bend(labels))


def metered(light: Light, exposure: float) -> float:
    """What automatic exposure multiplies linear light (H, W, 3) by; `exposure` is a mean sRGB value."""
    mean = max(float(np.minimum(light, 4 * light.mean()).mean()), 1e-5)
    return float(np.clip((exposure**2.2 / mean) ** 0.9, 0.05, 200))


def toned(light: Light, look: Look) -> Image.Image:
    """Exposed linear light as the sensor's picture: bloom, sRGB, an S-curve, saturation."""
    if look.bloom:
        above = np.round(np.clip((light - 0.8) / 4, 0, 1) * 255).astype(np.uint8)
        spread = Image.fromarray(above, "RGB").filter(ImageFilter.GaussianBlur(light.shape[1] / 40))
        light = light + np.asarray(spread, dtype=np.float32) / 255 * 4 * look.bloom
    value = srgb(light)
    value = value + look.punch * (value * value * (3 - 2 * value) - value)
    grey = value.mean(axis=-1, keepdims=True)
    value = np.clip(grey + (value - grey) * look.saturation, 0, 1)
    return Image.fromarray(np.round(value * 255).astype(np.uint8), "RGB")


def srgb(light: Light) -> Light:
    """Linear light as sRGB values, both 0..1."""
    light = np.clip(light, 0, 1)
    bent: Light = 1.055 * light ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, bent)
