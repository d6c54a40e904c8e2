"""Every rule at the same false alarms as ours: the fair comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from layerwatch_train.temporal.judge import Tally, run_rule, tally
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.rules import ExponentialMean, InARow, Obico, Rule, Votes


@dataclass(frozen=True, slots=True)
class Contender:
    """A rule with one knob. published: its usual setting; strict: the knob's values, ever stricter."""

    name: str
    build: Callable[[float], Rule]
    published: float
    strict: tuple[float, ...]


_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.975, 0.98, 0.985, 0.99, 0.995, 0.998)
CONTENDERS = (
    Contender("Obico", Obico, 1.0, (1.5, 1.4, 1.3, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5)),
    Contender("three in a row", InARow, 0.5, _THRESHOLDS),
    Contender("2 of 5 (PrintGuard)", Votes, 0.5, _THRESHOLDS),
    Contender("exponential mean", ExponentialMean, 0.5, _THRESHOLDS),
)


def run(contender: Contender, knob: float, prints: Sequence[Print]) -> Tally:
    """The rule at this setting over the prints."""
    return tally((one, run_rule(lambda: contender.build(knob), one)) for one in prints)


def at_equal_false_alarms(
    contender: Contender, prints: Sequence[Print], pauses_per_100_hours: float
) -> tuple[float, Tally]:
    """Knob and sums at the least strict setting with no more false pauses than this; else the strictest."""
    knob, found = contender.published, Tally()
    for knob in contender.strict:
        found = run(contender, knob, prints)
        if found.pauses_per_100_hours <= pauses_per_100_hours:
            break
    return knob, found
