"""What `layerwatch demo` shows: a line per picture and a summary, or JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from layerwatch.cli.typed import program

if TYPE_CHECKING:
    from layerwatch.simulator import Simulation
    from layerwatch_sdk import Inspection


@dataclass(slots=True)
class DemoResult:
    """What became of one print: print seconds of its first warning and pause, and its last picture."""

    warned: float | None = None
    paused: float | None = None
    last: bytes = b""
    frames: int = 0


class DemoScreen:
    """What the terminal shows: a line per picture, or JSON."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._out = Console(highlight=False, soft_wrap=True)

    def started(self, url: str) -> None:
        if self._json:
            return
        self._out.print(f"A server is up at [bold]{url}[/], with its own account and key.")
        self._out.print("The prints below are simulated; detector, server, database and client are real.")

    def heading(self, name: str, print_: Simulation) -> None:
        if self._json:
            return
        what = "stays healthy" if print_.onset is None else f"fails from {_clock(print_.onset)} on"
        self._out.print(
            f"\n[bold]A print that {what}[/]  ({print_.print.name}, {print_.viewpoint.name} camera)"
        )
        self._out.print("[dim] time   quality       score               truth[/]")

    def frame(self, name: str, second: float, answer: Inspection, truth: Any) -> None:
        if self._json:
            print(
                json.dumps(
                    {
                        "print": name,
                        "second": round(second, 1),
                        "quality": answer.print_quality,
                        "score": answer.score,
                        "warning": answer.warning_suggested,
                        "pause": answer.pause_suggested,
                        "next_interval": answer.next_interval.seconds,
                        "failing": truth.failed,
                    }
                ),
                flush=True,
            )
            return
        colour = "green" if answer.print_quality >= 6 else "yellow" if answer.print_quality >= 4 else "red"
        row = Table.grid(padding=(0, 1))
        row.add_row(
            f"{_clock(second)}",
            f"[{colour}]{answer.print_quality:>2}/10[/]",
            ProgressBar(100, answer.score, width=20, complete_style=colour, finished_style=colour),
            f"{answer.score:>3}",
            f"[dim]{truth.failure or 'fine'}, layer {truth.layer}/{truth.layers}[/]",
            "[bold red]PAUSE[/]"
            if answer.pause_suggested
            else "[yellow]warning[/]"
            if answer.warning_suggested
            else "",
        )
        self._out.print(row)

    def summary(
        self, seen: dict[str, DemoResult], onset: float, pictures: tuple[Path, Path], good: bool
    ) -> None:
        healthy, failing = seen["healthy"], seen["failing"]
        if self._json:
            print(
                json.dumps(
                    {
                        "healthy_paused": healthy.paused is not None,
                        "healthy_warned": healthy.warned is not None,
                        "failing_onset": onset,
                        "failing_warned": failing.warned,
                        "failing_paused": failing.paused,
                        "picture": str(pictures[0]),
                        "heat_map": str(pictures[1]),
                    }
                )
            )
            return
        out = self._out
        out.print()
        mark = "[green]✓[/]" if healthy.paused is None else "[red]✗[/]"
        said = "no warning" if healthy.warned is None else f"a warning at {_clock(healthy.warned)}"
        end = "no pause" if healthy.paused is None else f"a pause at {_clock(healthy.paused)}"
        out.print(f"{mark} healthy print: {healthy.frames} pictures, {said}, {end}")
        mark = "[green]✓[/]" if failing.paused is not None else "[red]✗[/]"
        out.print(
            f"{mark} failing print: began to fail at {_clock(onset)}, "
            f"{_after('warning', failing.warned, onset)}, {_after('pause', failing.paused, onset)}"
        )
        out.print(f"\nLocation of the failure: [bold]{pictures[1]}[/]  (the original picture: {pictures[0]})")
        out.print("\nNext, with your own camera, no server needed:")
        out.print(f"  [bold]{program()} watch http://YOUR-PRINTER/webcam/?action=snapshot[/]")
        out.print(f"or inspect your own pictures:     [bold]{program()} inspect *.jpg[/]")
        out.print(f"and your own server:              [bold]{program()} serve[/]")
        if not good:
            out.print("\n[red]The demonstration failed.[/] Please report the seed and the output.")


def _after(what: str, second: float | None, onset: float) -> str:
    return f"no {what}" if second is None else f"{what} {second - onset:.0f} s later"


def _clock(second: float) -> str:
    return f"{int(second) // 60:>3}:{int(second) % 60:02}"
