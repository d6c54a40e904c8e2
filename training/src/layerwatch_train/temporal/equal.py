"""Every method at the same false alarms as ours: the fair comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from layerwatch_train.temporal.judge import Flags, Tally, run_rule, tally
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.rules import ExponentialMean, InARow, Obico, Rule, Votes


@dataclass(frozen=True, slots=True)
class Contender:
    """A method with one knob. flags: what it says of a print at a setting. published: its usual setting.
    strict: settings, ever stricter.
    """

    name: str
    flags: Callable[[float, Print], Flags]
    published: float
    strict: tuple[float, ...]


def _rule(build: Callable[[float], Rule]) -> Callable[[float, Print], Flags]:
    return lambda knob, print_: run_rule(lambda: build(knob), print_)


_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.975, 0.98, 0.985, 0.99, 0.995, 0.998)
CONTENDERS = (
    Contender("Obico", _rule(Obico), 1.0, (1.5, 1.4, 1.3, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5)),
    Contender("three in a row", _rule(InARow), 0.5, _THRESHOLDS),
    Contender("2 of 5 (PrintGuard)", _rule(Votes), 0.5, _THRESHOLDS),
    Contender("exponential mean", _rule(ExponentialMean), 0.5, _THRESHOLDS),
)


def run(contender: Contender, knob: float, prints: Sequence[Print]) -> Tally:
    """The method at this setting over the prints."""
    return tally((one, contender.flags(knob, one)) for one in prints)


def at_equal_false_alarms(
    contender: Contender, prints: Sequence[Print], pauses_per_100_hours: float
) -> tuple[float, Tally]:
    """Setting and totals at the least strict setting with at most this many false pauses; else the strictest.

    Found by bisection: false pauses hardly ever rise with strictness.
    """
    low, high = 0, len(contender.strict) - 1
    found = run(contender, contender.strict[high], prints)
    while low < high:
        middle = (low + high) // 2
        there = run(contender, contender.strict[middle], prints)
        if there.pauses_per_100_hours <= pauses_per_100_hours:
            high, found = middle, there
        else:
            low = middle + 1
    return contender.strict[high], found
