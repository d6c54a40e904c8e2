"""Modelled prints: what a detector would say of a print over hours, without rendering a picture.

Scores are logits: a scene's own level, slow drift, autocorrelated noise and spikes; every nuisance that a
webcam meets; and, for failing prints, a rise after the onset with its own height (a detector does not see
every failure equally well), growth and drop-outs. Nothing here is a measurement: figures made from it say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch.vision.evidence import THUMBNAIL_SIZE, Condition
from layerwatch_train.temporal.prints import Print

_GRID = 8
_COLUMNS, _ROWS = THUMBNAIL_SIZE
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Detector:
    """How well the modelled detector tells failing from healthy; means and spreads of prints' logits.

    The default's figures were measured on held-out scores of the real sequences, calibrated: 42 healthy
    stretches of five frames or more (median -2.9±1.1 where the scene does not fool the detector; it does in
    one, at 1.8; in 3 it nearly does for the first minutes only; spread around the median 0.9, between 0.2 and
    2.3 from print to print; lag-1 correlation 0.3; 9 % of frames 1.5 above the median and 3 % 3 above), and
    23 failures (3.4±0.7). Look-alikes are assumed, not measured, and so are the drop-outs of failing prints,
    which the real ones show less of.
    """

    name: str = "good"
    healthy: tuple[float, float] = (-3.0, 1.0)
    failing: tuple[float, float] = (3.4, 0.75)
    noise: float = 0.65
    spikes_per_hour: float = 3.0
    lookalikes: float = 0.01
    """Share of prints in which healthy work looks like a failure for a while."""
    fooled: float = 0.04
    """Share of scenes that the detector takes for a failure from the first frame …"""
    fooled_level: tuple[float, float] = (1.3, 0.8)
    fooled_noise: float = 1.6
    """… at this level, and with so many times the noise."""
    odd_start: float = 0.10
    """Share of prints that look like a failure for their first minutes."""


GOOD = Detector()
MEDIOCRE = Detector("mediocre", (-1.6, 1.3), (2.0, 1.4), 0.8, 2.0, 0.10, 0.10, (1.8, 1.0), 1.6, 0.10)


def modelled_prints(count: int, detector: Detector, seed: int) -> Iterator[Print]:
    """`count` prints, every other one failing, the same for the same seed."""
    for index in range(count):
        yield modelled_print(
            np.random.default_rng((seed, index)), detector, index % 2 == 1, f"{detector.name}-{index}"
        )


def modelled_print(rng: np.random.Generator, detector: Detector, failing: bool, name: str) -> Print:
    """One print of two to nine hours at an interval of 20 to 40 s."""
    length = rng.uniform(2, 9) * 3600
    interval = rng.uniform(20, 40)
    count = int(length / interval)
    seconds = np.cumsum(interval + rng.uniform(-2, 2, count).clip(-interval / 2))
    onset = None
    if failing:
        early = rng.random() < 0.3  # many failures begin on the first layers
        onset = float(rng.uniform(90, 1500) if early else rng.uniform(900, length - 900))
        end = min(length, onset + rng.uniform(900, 5400))  # then the print ends, or somebody comes
        count = int(np.searchsorted(seconds, end))
        seconds = seconds[:count]
    world = _World(rng, detector, seconds, interval)
    world.nuisances(onset)
    if onset is not None:
        world.failure(onset)
    return world.finish(name, onset)


class _World:
    """Logits, places and thumbnails of one print, built up nuisance by nuisance."""

    def __init__(self, rng: np.random.Generator, detector: Detector, seconds: Array, interval: float) -> None:
        self.rng, self.detector, self.seconds, self.interval = rng, detector, seconds, interval
        n = len(seconds)
        self.n = n
        self.tags: list[str] = []
        self.conditions = [Condition.OK] * n
        self.centre = rng.uniform(2, 6, 2)
        fooled = rng.random() < detector.fooled
        if fooled:
            self.tags.append("fooled")
        level = rng.normal(*(detector.fooled_level if fooled else detector.healthy))
        noise = detector.noise * rng.lognormal(0, 0.5) * (detector.fooled_noise if fooled else 1.0)
        drift = _wander(rng, n, np.exp(-interval / rng.uniform(900, 3600)), 0.4)
        self.healthy = level + drift + _wander(rng, n, rng.uniform(0.2, 0.7), noise)
        self.healthy += rng.normal(0, 0.6) * seconds / 3600 / 3  # the print grows and looks another way
        spikes = rng.random(n) < detector.spikes_per_hour * interval / 3600
        for at in np.flatnonzero(spikes):
            self.healthy[at : at + rng.integers(1, 3)] += rng.uniform(1.5, 5)
        if rng.random() < detector.odd_start:
            self.tags.append("odd start")
            self._bump(-120, 120 + rng.uniform(60, 600), rng.uniform(1.5, 4.5), 120)
        if rng.random() < detector.lookalikes:
            self.tags.append("lookalike")
            self._bump(rng.uniform(0, seconds[-1]), rng.uniform(300, 2400), rng.uniform(1.5, 4.5), 120)
        self.scenery = np.full((_GRID, _GRID), -5.0)
        for _ in range(rng.integers(0, 3) + 2 * fooled):  # things in view that look a little like a failure
            row, column = rng.integers(0, _GRID, 2)
            self.scenery[row, column] = (
                level + rng.uniform(-1, 1) if not fooled else level + rng.normal(0, 0.5)
            )
        self.failing = np.full(n, -9.0)
        self.place = self.centre
        self.slides = rng.random() < 0.5  # bed-slinger
        self.frames = self._pictures()

    def _bump(self, start: float, length: float, height: float, ramp: float) -> None:
        after, before = self.seconds - start, start + length - self.seconds
        self.healthy += height * np.clip(np.minimum(after, before) / ramp, 0, 1)

    def _pictures(self) -> Array:
        rng, n = self.rng, self.n
        scene = _texture(rng, 3) * rng.uniform(20, 45) + 110
        frames = np.repeat(scene[None], n, axis=0)
        if self.slides:
            bed = _texture(rng, 3) * rng.uniform(20, 50)
            shift = rng.integers(-5, 6, n)
            top = rng.integers(6, 12)
            for offset in range(-5, 6):
                frames[shift == offset, top:] += np.roll(bed, offset, axis=1)[top:]
        gantry = rng.integers(0, _ROWS - 4, n) if rng.random() < 0.5 else np.full(n, 3)
        for row in np.unique(gantry):
            frames[gantry == row, row : row + 4] -= rng.uniform(30, 70)
        grown = np.linspace(0, 1, n)[:, None, None] * rng.uniform(-60, 60)
        frames += grown * _blob(self.centre / _GRID, 0.12)[None]
        heads = rng.uniform(0.2, 0.8, (n, 2))
        frames += -50 * _blobs(heads, 0.06)
        frames += rng.normal(0, 0.5, (n, 1, 1)) * rng.uniform(0, 3)
        return frames

    def _span(self, shortest: float, longest: float) -> slice:
        start = self.rng.integers(1, max(2, self.n - 2))
        length = max(1, round(self.rng.uniform(shortest, longest) / self.interval))
        return slice(start, min(self.n, start + length))

    def nuisances(self, onset: float | None) -> None:
        """Lamps, hands, bumps, darkness, blur, a frozen stream: each in a share of prints."""
        rng = self.rng
        for _ in range(rng.poisson(0.7)):
            self.tags.append("lamp")
            span = slice(rng.integers(1, self.n), self.n)
            shade = _texture(rng, 4) * 15
            self.frames[span] = self.frames[span] * rng.uniform(0.5, 1.6) + rng.uniform(-25, 25) + shade
            self.healthy[span] += rng.normal(0, 0.7)
        for _ in range(rng.poisson(0.6)):
            self.tags.append("hand")
            span = self._span(5, 60)
            hand = _blob(rng.uniform(0.2, 0.8, 2), rng.uniform(0.25, 0.45))
            self.frames[span] += rng.uniform(-140, 140) * hand
            self.healthy[span] += rng.normal(1.5, 2.0)
        if rng.random() < 0.15:
            self.tags.append("bump")
            span = slice(rng.integers(1, self.n), self.n)
            self.frames[span] = np.roll(self.frames[span], tuple(rng.integers(-7, 8, 2)), axis=(1, 2))
            self.healthy[span] += rng.normal(0, 1.0)
            self.scenery = np.roll(self.scenery, tuple(rng.integers(-2, 3, 2)), axis=(0, 1))
        if rng.random() < 0.2:
            span = self._span(120, 3600)
            hides = onset is not None and self.seconds[span][-1] > onset  # not what is judged here
            if not hides:
                self.tags.append("dark")
                self.frames[span] = 4 + 0.02 * self.frames[span]
                self._unfit(span, Condition.DARK)
        if rng.random() < 0.2:
            self.tags.append("blur")
            self._unfit(self._span(30, 300), Condition.BLURRED)
        if rng.random() < 0.3:
            self.tags.append("filament change")
            span = self._span(120, 900)
            self.frames[span] = self.frames[span.start]
            self.healthy[span] = self.healthy[span.start] + rng.normal(0, 0.3, self.healthy[span].shape)
        self.frozen = self._span(120, 1200) if rng.random() < 0.15 else None
        if self.frozen:
            self.tags.append("frozen")

    def _unfit(self, span: slice, condition: Condition) -> None:
        """A picture that cannot be judged still gets some score, which says nothing."""
        count = len(self.conditions[span])
        self.conditions[span] = [condition] * count
        self.healthy[span] = self.rng.normal(-2, 2) + self.rng.normal(0, 0.7, count)

    def failure(self, onset: float) -> None:
        """A failure from `onset` on: it grows; the detector sees it more or less well."""
        rng = self.rng
        since = self.seconds - onset
        growth = 1 - np.exp(-np.clip(since, 0, None) / rng.lognormal(np.log(90), 0.8))
        height = rng.normal(*self.detector.failing)
        level = np.median(self.healthy[since < 0]) if np.any(since < 0) else -3.0
        rising = level + (height - level) * growth + _wander(rng, self.n, rng.uniform(0.1, 0.6), 0.6)
        hidden = rng.random(self.n) < rng.uniform(0.0, 0.3)  # behind the nozzle, or just missed
        rising[hidden] -= rng.uniform(1, 5, int(hidden.sum()))
        self.failing = np.where(since >= 0, rising, -9.0)
        self.place = np.clip(self.centre + rng.normal(0, 1.5, 2), 0, _GRID - 0.01)
        spot = _blob(self.place / _GRID, 0.1) * rng.uniform(-60, 60)
        self.frames += np.where(since >= 0, growth, 0)[:, None, None] * spot[None]

    def finish(self, name: str, onset: float | None) -> Print:
        """Logits to probabilities, places to a heat map, pictures to bytes."""
        rng, n = self.rng, self.n
        whole = np.logaddexp(self.healthy, self.failing)  # the odds of either add up
        heat = self.scenery[None] + rng.normal(0, 0.45, (n, _GRID, _GRID))
        steps = np.arange(n)
        jitter = rng.normal(0, 0.5, (n, 2))
        if self.slides:
            jitter[:, 1] += rng.integers(-1, 2, n)
        for levels, middle in ((self.healthy, self.centre), (self.failing, self.place)):
            at = np.clip(middle + jitter, 0, _GRID - 0.01).astype(int)
            value = levels + rng.normal(0, 0.4, n)
            heat[steps, at[:, 0], at[:, 1]] = np.maximum(heat[steps, at[:, 0], at[:, 1]], value)
        frames = np.clip(self.frames + rng.normal(0, 0.4, self.frames.shape), 0, 255).astype(np.uint8)
        heat_bytes = np.rint(255 / (1 + np.exp(-heat))).astype(np.uint8)
        if self.frozen:
            for array in (whole, frames, heat_bytes):
                array[self.frozen] = array[self.frozen.start]
        return Print(
            name=name,
            seconds=self.seconds,
            scores=1 / (1 + np.exp(-whole)),
            heat=heat_bytes,
            thumbnails=frames.reshape(n, -1),
            conditions=self.conditions,
            onset=onset,
            tags=tuple(self.tags),
        )


def _wander(rng: np.random.Generator, n: int, keep: float, spread: float) -> Array:
    """A stationary first-order autoregression with standard deviation `spread`."""
    shocks = rng.normal(0, spread * np.sqrt(1 - keep * keep), n)
    shocks[0] = rng.normal(0, spread)
    values = np.empty(n)
    value = 0.0
    for i, shock in enumerate(shocks):
        value = keep * value + shock
        values[i] = value
    return values


def _texture(rng: np.random.Generator, waves: int) -> Array:
    """A smooth random picture, 24 x 32, mean near 0, spread near 1."""
    y, x = np.mgrid[0:_ROWS, 0:_COLUMNS]
    picture = np.zeros((_ROWS, _COLUMNS))
    for _ in range(8):
        fy, fx = rng.uniform(-waves, waves, 2)
        picture += np.cos(2 * np.pi * (fy * y / _ROWS + fx * x / _COLUMNS) + rng.uniform(0, 2 * np.pi))
    return picture / 2


def _blob(at: Array, radius: float) -> Array:
    y, x = np.mgrid[0:_ROWS, 0:_COLUMNS]
    blob: Array = np.exp(-((y / _ROWS - at[0]) ** 2 + (x / _COLUMNS - at[1]) ** 2) / (2 * radius**2))
    return blob


def _blobs(at: Array, radius: float) -> Array:
    y, x = np.arange(_ROWS) / _ROWS, np.arange(_COLUMNS) / _COLUMNS
    down = np.exp(-((y[None] - at[:, :1]) ** 2) / (2 * radius**2))
    along = np.exp(-((x[None] - at[:, 1:]) ** 2) / (2 * radius**2))
    return down[:, :, None] * along[:, None, :]
