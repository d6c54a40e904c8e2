"""Flags against the truth: false alarms an hour, failures caught, seconds until the alarm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal import Levels, PrintState, step
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.rules import Rule

Bools = NDArray[np.bool_]
EPISODE_SECONDS = 600.0
"""Alarms closer than this are one episode, reported once."""


@dataclass(slots=True)
class Flags:
    """What a method said after each picture of a print. quality: None for methods without one."""

    warning: Bools
    pause: Bools
    quality: NDArray[np.int64] | None = None


def run_rule(new: Callable[[], Rule], print_: Print) -> Flags:
    """A rule over a print; a picture without a score repeats the last flags."""
    rule = new()
    out = np.zeros((len(print_.seconds), 2), bool)
    for i, score in enumerate(print_.scores):
        out[i] = rule.see(float(score)) if math.isfinite(score) else out[i - 1]
    return Flags(out[:, 0], out[:, 1])


def run_ours(print_: Print) -> list[Flags]:
    """The temporal model over a print: flags at levels 1 to 5 (the state is the same for all)."""
    n = len(print_.seconds)
    warning, pause = np.zeros((5, n), bool), np.zeros((5, n), bool)
    quality = np.zeros(n, np.int64)
    state: PrintState | None = None
    levels = Levels()
    for i, evidence in enumerate(print_.evidence()):
        state, verdict = step(state, evidence, float(print_.seconds[i]), levels)
        quality[i] = verdict.quality
        for level in range(5):
            warning[level, i] = state.alarm.warned >> level & 1
            pause[level, i] = state.alarm.paused >> level & 1
    return [Flags(warning[level], pause[level], quality) for level in range(5)]


def paced(print_: Print, healthy: float = 40.0, suspicious: float = 20.0) -> Print:
    """The pictures that a client would have sent: those nearest to these intervals, in seconds."""
    taken: list[int] = []
    state: PrintState | None = None
    due = -math.inf
    following = np.append(print_.seconds[1:], print_.seconds[-1] + suspicious)
    for i, evidence in enumerate(print_.evidence()):
        second = float(print_.seconds[i])
        if due - second > following[i] - due:
            continue
        state, verdict = step(state, evidence, second, Levels())
        taken.append(i)
        due = second + (suspicious if verdict.suspicious else healthy)
    return print_.at(np.array(taken))


@dataclass(slots=True)
class Tally:
    """Sums over prints. Seconds are after the onset, or after quality first fell to 1-3 for good."""

    hours: float = 0.0
    failing: int = 0
    false_warnings: int = 0
    false_pauses: int = 0
    warned: int = 0
    paused: int = 0
    to_warning: list[float] = field(default_factory=list)
    to_pause: list[float] = field(default_factory=list)
    low_to_warning: list[float] = field(default_factory=list)
    low_to_pause: list[float] = field(default_factory=list)
    culprits: list[str] = field(default_factory=list)

    def add(self, print_: Print, flags: Flags) -> None:
        """Count one print."""
        self.hours += print_.healthy_seconds / 3600
        healthy = print_.seconds < print_.healthy_seconds
        warnings = episodes(print_.seconds[healthy], flags.warning[healthy])
        pauses = episodes(print_.seconds[healthy], flags.pause[healthy])
        self.false_warnings += warnings
        self.false_pauses += pauses
        if warnings or pauses:
            self.culprits.append(f"{print_.name} {'P' * pauses}{'W' * warnings} {','.join(print_.tags)}")
        if print_.onset is None or print_.onset >= print_.ends:
            return
        self.failing += 1
        after = print_.seconds >= print_.onset
        told_warning = _first(print_.seconds, flags.warning & after)
        told_pause = _first(print_.seconds, flags.pause & after)
        low = None
        if flags.quality is not None:
            low = _first(print_.seconds, (flags.quality <= 3) & after)
        if told_warning is not None:
            self.warned += 1
            self.to_warning.append(told_warning - print_.onset)
            if low is not None:
                self.low_to_warning.append(max(0.0, told_warning - low))
        if told_pause is not None:
            self.paused += 1
            self.to_pause.append(told_pause - print_.onset)
            if low is not None:
                self.low_to_pause.append(max(0.0, told_pause - low))

    @property
    def pauses_per_100_hours(self) -> float:
        return 100 * self.false_pauses / self.hours if self.hours else math.nan

    @property
    def warnings_per_100_hours(self) -> float:
        return 100 * self.false_warnings / self.hours if self.hours else math.nan

    @property
    def caught(self) -> float:
        """Share of failing prints paused before they ended."""
        return self.paused / self.failing if self.failing else math.nan


def tally(pairs: Iterable[tuple[Print, Flags]]) -> Tally:
    """The sums over prints and what a method said of them."""
    total = Tally()
    for print_, flags in pairs:
        total.add(print_, flags)
    return total


def median(values: list[float]) -> float:
    """Median, NaN for none."""
    return float(np.median(values)) if values else math.nan


def episodes(seconds: NDArray[np.float64], flag: Bools) -> int:
    """How often a flag was raised, counting alarms within ten minutes of the last as the same."""
    count, last = 0, -math.inf
    for at in seconds[flag]:
        if at - last > EPISODE_SECONDS:
            count += 1
        last = at
    return count


def _first(seconds: NDArray[np.float64], flag: Bools) -> float | None:
    hits = np.flatnonzero(flag)
    return float(seconds[hits[0]]) if hits.size else None
