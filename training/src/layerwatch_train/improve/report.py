"""The report of a candidate, in Markdown with plots beside it. It holds no picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from layerwatch_train import plots
from layerwatch_train.improve.accounts import AccountCheck
from layerwatch_train.improve.judge import Figure, Judged, Verdict, margins


def table(judged: Sequence[Judged]) -> str:
    """Both detectors side by side, a line for each set and figure."""
    lines = [
        "| set | good, failed, groups | figure | current | candidate | change (95 % over groups) |",
        "|---|---|---|---|---|---|",
    ]
    for one in judged:
        name, counts = one.name, f"{one.good}, {one.failed}, {one.groups}"
        for title, figure in one.figures.items():
            if math.isnan(figure.change):
                continue
            lines.append(
                f"| {name} | {counts} | {title} | {figure.current:.3f} | {figure.candidate:.3f} "
                f"| {_change(figure)} |"
            )
            name = counts = ""
        mended, broken = margins(one.labels, one.scores)
        lines.append(f"| | | mended, broken at 0.5 | | | {mended}, {broken} |")
    return "\n".join(lines)


def _change(figure: Figure) -> str:
    return f"{figure.change:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"


def accounts_table(checks: Sequence[AccountCheck]) -> str:
    """How each account's labels agree with what the others' predict."""
    lines = ["| account | examples | contradicted | of the others (median) | |", "|---|---|---|---|---|"]
    for one in checks:
        share = one.contradicted / one.pictures
        remark = "**left out**" if one.left_out else ""
        lines.append(f"| {one.account or '-'} | {one.pictures} | {share:.0%} | {one.usual:.0%} | {remark} |")
    return "\n".join(lines)


def write(
    folder: Path,
    facts: Sequence[tuple[str, str]],
    checks: Sequence[AccountCheck],
    judged: Sequence[Judged],
    found: Verdict,
) -> Path:
    """Write `folder/report.md` and its plots. facts: (name, value) of the training. Returns the path."""
    left_out = [one.account for one in checks if one.left_out]
    text = ["# Candidate detector", "", f"**Verdict: {found.outcome}.**", ""]
    text += [f"- {reason}" for reason in found.why]
    text += ["", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts)]
    text += ["", "## Both detectors on pictures that the candidate has not seen", "", table(judged), ""]
    for number, one in enumerate(judged):
        name = f"set{number}.png"
        plots.side_by_side(one.scores, one.labels, one.name, folder / name)
        text += [f"![{one.name}]({name})", ""]
    text += ["## Accounts", ""]
    if left_out:
        text += [
            f"Left out: {', '.join(left_out)}. Their labels contradict what all others predict. Look at some "
            "of them; if they are right, run again with `--trust ACCOUNT`.",
            "",
        ]
    text += [accounts_table(checks), ""]
    path = folder / "report.md"
    path.write_text("\n".join(text), encoding="utf-8")
    return path
