"""The tables of `evaluate-temporal`: what was judged, by which method, with what result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import Progress

from layerwatch_train.temporal.equal import Contender, at_equal_false_alarms, run
from layerwatch_train.temporal.judge import Tally, median, run_ours
from layerwatch_train.temporal.prints import Print

HEAD = (
    "| {} | false pauses /100 h | false warnings /100 h | paused | warned | onset → warning "
    "| onset → pause | quality 1-3 → warning | → pause |\n|---|---|---|---|---|---|---|---|---|"
)


@dataclass(slots=True)
class Comparison:
    """Methods side by side on the same prints, and ours by level. Each row: name and sums."""

    title: str
    prints: int
    ours: Tally
    methods: list[tuple[str, Tally]] = field(default_factory=list)
    levels: list[tuple[str, Tally]] = field(default_factory=list)

    def markdown(self) -> str:
        """The comparison as two tables."""
        lines = [
            f"\n### {self.title}\n",
            f"{self.prints} prints, {self.ours.failing} of them failing, {self.ours.hours:.0f} hours of "
            f"healthy printing; level 3: {self.ours.false_pauses} false pauses, "
            f"{self.ours.false_warnings} false warnings.\n",
            HEAD.format("method"),
            *(row(name, total) for name, total in self.methods),
            "",
            HEAD.format("level"),
            *(row(name, total) for name, total in self.levels),
        ]
        if self.ours.culprits:
            lines += ["\nFalse alarms at level 3 (P a pause, W a warning):\n"]
            lines += [f"- {culprit}" for culprit in self.ours.culprits]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The comparison for scripts."""
        return {
            "title": self.title,
            "prints": self.prints,
            "methods": [figures(name, total) for name, total in self.methods],
            "levels": [figures(name, total) for name, total in self.levels],
        }


def compare(title: str, prints: Sequence[Print], contenders: Sequence[Contender]) -> Comparison:
    """Ours at level 3, each contender as published and at equal false pauses; then ours by level."""
    levels = [Tally() for _ in range(5)]
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=len(prints) * (1 + 2 * len(contenders)))
        for one in prints:
            for total, flags in zip(levels, run_ours(one), strict=True):
                total.add(one, flags)
            bar.advance(task)
        ours = levels[2]
        made = Comparison(title, len(prints), ours, [("**Layerwatch, level 3**", ours)])
        for contender in contenders:
            made.methods.append(
                (f"{contender.name}, as published", run(contender, contender.published, prints))
            )
            bar.advance(task, len(prints))
        for contender in contenders:
            knob, found = at_equal_false_alarms(contender, prints, ours.pauses_per_100_hours)
            made.methods.append((f"{contender.name}, at {knob:g} for equal false pauses", found))
            bar.advance(task, len(prints))
    made.levels = [(str(level), total) for level, total in enumerate(levels, 1)]
    return made


def by_tag(prints: Sequence[Print], which: int) -> list[tuple[str, Tally]]:
    """Ours at level 3 by one of the prints' tags: rendered ones have the failure first, then its final
    size.
    """
    totals: dict[str, Tally] = {}
    for one in prints:
        totals.setdefault(one.tags[which], Tally()).add(one, run_ours(one)[2])
    return sorted(totals.items())


def row(name: str, total: Tally) -> str:
    """One line of a table."""
    delays = (total.to_warning, total.to_pause, total.low_to_warning, total.low_to_pause)
    seconds = " | ".join(f"{median(values):.0f} s" if values else "-" for values in delays)
    caught = " | ".join(
        f"{100 * count / total.failing:.1f} %" if total.failing else "-"
        for count in (total.paused, total.warned)
    )
    false = " | ".join(
        f"{rate:.2f}" if total.hours else "-"
        for rate in (total.pauses_per_100_hours, total.warnings_per_100_hours)
    )
    return f"| {name} | {false} | {caught} | {seconds} |"


def figures(name: str, total: Tally) -> dict[str, Any]:
    """One row for scripts: counts, rates and median seconds; null where there is nothing to take one of."""
    lists = {
        "onset_to_warning": total.to_warning,
        "onset_to_pause": total.to_pause,
        "low_quality_to_warning": total.low_to_warning,
        "low_quality_to_pause": total.low_to_pause,
    }
    return {
        "name": name.strip("*"),
        "healthy_hours": round(total.hours, 2),
        "failing": total.failing,
        "false_warnings": total.false_warnings,
        "false_pauses": total.false_pauses,
        "warned": total.warned,
        "paused": total.paused,
        "false_warnings_per_100_hours": _or_none(total.warnings_per_100_hours),
        "false_pauses_per_100_hours": _or_none(total.pauses_per_100_hours),
        "median_seconds": {key: _or_none(median(values)) for key, values in lists.items()},
    }


def _or_none(value: float) -> float | None:
    return None if value != value else round(value, 3)
