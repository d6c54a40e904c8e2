"""What happens in the picture with nothing wrong: hands, lamps, bumps, pauses, a camera that hunts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.randomness import Rng, between, choose, happens, stream

NUISANCES: dict[str, float] = {
    "light_off": 0.7,
    "light_dim": 1.0,
    "light_on": 0.7,
    "flicker": 0.6,
    "infrared": 0.3,
    "sun": 1.0,
    "hand": 1.5,
    "bump": 0.6,
    "refocus": 1.0,
    "exposure": 1.0,
    "freeze": 0.6,
    "pause": 0.8,
    "parking": 0.8,
    "wipe": 0.7,
}
"""Kinds of event and how often each is drawn."""

LENGTHS: dict[str, tuple[float, float]] = {
    "light_off": (300, 7200),
    "light_dim": (600, 9000),
    "light_on": (600, 9000),
    "flicker": (300, 3600),
    "infrared": (1800, 9000),
    "hand": (15, 150),
    "refocus": (15, 240),
    "exposure": (30, 400),
    "freeze": (120, 1800),
    "pause": (120, 1500),
    "wipe": (10, 40),
}
"""Least and greatest length in seconds; the kinds not named last to the end."""


@dataclass(frozen=True)
class NuisanceEvent:
    """One nuisance from `start` to `end`, seconds of the recording; `size` 0..1 and `seed` shape it."""

    kind: str
    start: float
    end: float
    size: float
    seed: int


class Timeline:
    """All the events of one recording, and what they make of a moment."""

    def __init__(self, events: Sequence[NuisanceEvent]) -> None:
        self.events = tuple(sorted(events, key=lambda event: event.start))

    def active(self, second: float) -> list[NuisanceEvent]:
        return [event for event in self.events if event.start <= second < event.end]

    def frozen_at(self, second: float) -> float:
        """The second whose picture is shown at `second`: an earlier one while the camera is frozen."""
        for event in self.active(second):
            if event.kind == "freeze":
                return event.start
        return second

    def print_second(self, second: float) -> float:
        """Seconds of printing done by `second`: pauses do not count."""
        paused = sum(
            max(min(second, event.end) - event.start, 0.0) for event in self.events if event.kind == "pause"
        )
        return second - paused

    def recording_second(self, print_second: float) -> float:
        """When `print_second` seconds of printing are done; the inverse of `print_second`."""
        second = print_second
        for event in self.events:
            if event.kind == "pause" and event.start <= second:
                second += event.end - event.start
        return second


def random_events(
    seed: int, duration: float, kinds: Sequence[str] | None = None, rate: float = 0.5
) -> Timeline:
    """Events drawn at `rate` an hour from `kinds` (all by default); each of given `kinds` happens at least
    once.

    Raises ValueError for an unknown kind.
    """
    rng = stream(seed, "nuisances")
    for kind in kinds or ():
        if kind not in NUISANCES:
            raise ValueError(f"unknown nuisance {kind!r}; known: {', '.join(NUISANCES)}")
    drawn = list(kinds) if kinds is not None else []
    weights = {kind: NUISANCES[kind] for kind in (kinds if kinds is not None else NUISANCES)}
    if weights:
        drawn += [choose(rng, weights) for _ in range(int(rng.poisson(rate * duration / 3600)))]
    events: list[NuisanceEvent] = []
    for kind in drawn:
        start = between(rng, 0.03, 0.95) * duration
        low, high = LENGTHS.get(kind, (duration, duration))
        length = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        if kind in ("sun", "parking"):
            start, length = 0.0, duration * 10
        if kind == "bump":
            length = duration * 10
        if any(event.kind == kind and event.start < start + length and start < event.end for event in events):
            continue
        events.append(
            NuisanceEvent(kind, start, start + length, float(rng.random()), int(rng.integers(2**31)))
        )
    return Timeline(events)


_SKIN = [(224, 172, 140), (198, 134, 96), (141, 85, 54), (92, 56, 38), (240, 196, 170), (40, 44, 52)]


def hand_mask(
    event: NuisanceEvent, second: float, width: int, height: int, brightness: float
) -> tuple[Image.Image, Image.Image]:
    """A hand and forearm reaching in: its picture (RGB) and where it covers (L), both `width` by `height`."""
    rng = stream(event.seed, "hand")
    edge = float(rng.uniform(0, 2 * np.pi))
    middle = np.array([width, height]) / 2 + rng.normal(0, 0.1, 2) * [width, height]
    wave = stream(event.seed, int(second)).normal(0, 0.05, 2) * [width, height]
    palm = middle + wave + np.array([np.cos(edge), np.sin(edge)]) * height * rng.uniform(0.05, 0.35)
    elbow = middle + np.array([np.cos(edge), np.sin(edge)]) * width * 1.2
    thick = height * rng.uniform(0.16, 0.3)
    skin = tuple(int(v * brightness) for v in _SKIN[int(rng.integers(len(_SKIN)))])
    colour, cover = Image.new("RGB", (width, height)), Image.new("L", (width, height), 0)
    ink, area = ImageDraw.Draw(colour), ImageDraw.Draw(cover)
    sleeve = palm + (elbow - palm) * rng.uniform(0.15, 0.6)
    cloth = tuple(int(v * brightness) for v in rng.integers(10, 200, 3))

    def limb(a: Points, b: Points, size: float, fill: tuple[int, ...]) -> None:
        flat = [float(a[0]), float(a[1]), float(b[0]), float(b[1])]
        for draw, value in ((ink, fill), (area, 255)):
            draw.line(flat, value, max(int(size), 1))
            for x, y in (a, b):
                draw.ellipse([x - size / 2, y - size / 2, x + size / 2, y + size / 2], fill=value)

    limb(palm, elbow, thick * 0.75, skin)
    limb(palm, palm * 0.9 + elbow * 0.1, thick, skin)
    inward = (palm - elbow) / np.linalg.norm(palm - elbow)
    across = np.array([-inward[1], inward[0]])
    for finger in range(5):
        offset = (finger - 2) * thick * 0.26
        length = thick * (0.75 if finger == 0 else rng.uniform(1.0, 1.4))
        bend = across * rng.normal(0, 0.25) * thick
        tone = tuple(int(v * rng.uniform(0.86, 1.0)) for v in skin)
        limb(
            palm + across * offset, palm + across * offset * 1.3 + inward * length + bend, thick * 0.25, tone
        )
    limb(sleeve, elbow, thick * 1.35, cloth)
    soft = width / 260
    return colour.filter(ImageFilter.GaussianBlur(soft)), cover.filter(ImageFilter.GaussianBlur(soft))


def bump_of(event: NuisanceEvent) -> Points:
    """How far the camera's target is knocked aside, mm."""
    rng = stream(event.seed, "bump")
    push: Points = rng.normal(0, 1, 3)
    return push / np.linalg.norm(push) * between(rng, 4, 30)


def unsteady(rng: Rng, size: float) -> float:
    """A gain that hunts around 1."""
    return float(np.exp(rng.normal(0, 0.15 + 0.35 * size))) if happens(rng, 0.7) else 1.0
