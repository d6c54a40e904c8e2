"""`layerwatch simulate-load`: a fleet under a surge of prints, around the server's own pacing code."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from layerwatch.fleet.simulation import Result, Site
    from layerwatch.fleet.surge_report import SurgeReport


def command(
    prints: Annotated[
        int, typer.Option(help="Live prints after the surge.", min=100, max=10_000_000)
    ] = 10_000_000,
    regions: Annotated[
        str,
        typer.Option(
            help="Regions and their inspections a second, NAME=NUMBER,… Empty: three, to fit the load."
        ),
    ] = "",
    load: Annotated[
        float,
        typer.Option(
            help="Where --regions is empty: load of all prints at rest over the capacity.", min=0.01
        ),
    ] = 4.0,
    surge: Annotated[
        float, typer.Option(help="Prints after the surge, as a multiple of those before.", min=1)
    ] = 10.0,
    surge_seconds: Annotated[int, typer.Option(help="Seconds within which all of them arrive.", min=1)] = 60,
    minutes: Annotated[int, typer.Option(help="Length of the simulation.", min=10, max=240)] = 25,
    suspicious: Annotated[float, typer.Option(help="Share of suspicious prints.", min=0, max=1)] = 0.05,
    misjudged: Annotated[
        float, typer.Option(help="Calibrated capacity as a multiple of the true capacity.", min=0.05, max=20)
    ] = 1.0,
    lose: Annotated[str, typer.Option(help="A region that is cut off at 60 % of the time.")] = "",
    in_step: Annotated[
        bool, typer.Option("--in-step", help="All prints before the surge begin in the same second.")
    ] = False,
    cohorts: Annotated[
        int, typer.Option(help="Groups of prints that move together.", min=100, max=1_000_000)
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Of the arrivals.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Write a chart to this PNG file.", dir_okay=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate a fleet while ten times more prints come within a minute.

    Capacity, pacing, admission and the choice of region are the server's own code; prints, queues and
    networks are simulated: prints move in cohorts, and a region's nodes are one node. Takes about 20 seconds.
    """
    from layerwatch.fleet.simulation import Scenario, simulate
    from layerwatch.fleet.surge_report import settling

    sites = _sites(regions, prints, load, misjudged)
    if lose and lose not in {site.name for site in sites}:
        raise typer.BadParameter(f"no such region: {lose!r}", param_hint="--lose")
    if lose and len(sites) == 1:
        raise typer.BadParameter("the only region cannot be cut off", param_hint="--lose")
    scenario = Scenario(
        sites,
        prints,
        surge=surge,
        surge_seconds=surge_seconds,
        seconds=minutes * 60,
        suspicious=suspicious,
        cohorts=min(cohorts, prints),
        lost=lose or None,
        lost_at=round(minutes * 36),
        seed=seed,
        jitter=not in_step,
    )
    result = simulate(scenario)
    judged = settling(result)
    if plot is not None:
        from layerwatch.cli.simulate_load_plot import draw

        draw(result, f"Simulated: {prints:,} prints, {surge:g}x within {surge_seconds} s").save(plot)
    if as_json:
        typer.echo(json.dumps({"prints": prints, "cohorts": scenario.cohorts, **asdict(judged)}))
    else:
        _show(result, judged, plot)


def _sites(text: str, prints: int, load: float, misjudged: float) -> list[Site]:
    from layerwatch.fleet.simulation import Site
    from layerwatch.pacing.pacer import Bounds

    if not text:
        capacity = prints / Bounds().rest / load
        shares = {"eu": 0.5, "us": 0.3, "ap": 0.2}
        return [Site(name, share * capacity, share * capacity * misjudged) for name, share in shares.items()]
    sites = []
    for item in text.split(","):
        name, _, number = item.partition("=")
        try:
            capacity = float(number)
        except ValueError:
            capacity = 0.0
        if not name.strip() or not 0 < capacity < 1e12:
            raise typer.BadParameter(
                f"{item!r} is not NAME=NUMBER, for example eu=3000", param_hint="--regions"
            )
        sites.append(Site(name.strip(), capacity, capacity * misjudged))
    if len({site.name for site in sites}) < len(sites):
        raise typer.BadParameter("a region is named twice", param_hint="--regions")
    return sites


def _show(result: Result, judged: SurgeReport, plot: Path | None) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    scenario = result.scenario
    out = Console()
    table = Table(title="Simulated fleet", title_justify="left")
    for column in (
        "minute",
        "calls/s",
        "throttled",
        "mean interval",
        *(f"{s.name} use" for s in scenario.sites),
    ):
        table.add_column(column, justify="right")
    intervals = result.mean_interval()
    for first in range(0, scenario.seconds, 60):
        part = slice(first, first + 60)
        known = intervals[part][~np.isnan(intervals[part])]
        table.add_row(
            str(first // 60),
            f"{result.called[part].sum(axis=1).mean():,.0f}",
            f"{result.throttled_share(first, first + 60):.2%}",
            f"{known.mean():.0f} s" if len(known) else "-",
            *(
                f"{result.answered[part, number].mean() / site.capacity:.0%}"
                for number, site in enumerate(scenario.sites)
            ),
        )
    out.print(table)
    lost = f", {scenario.lost} is lost at {scenario.lost_at} s" if scenario.lost else ""
    out.print(
        f"The surge comes at {scenario.surge_at} s and takes {scenario.surge_seconds} s{lost}. From then on:"
    )

    def after(seconds: int | None) -> str:
        return "never" if seconds is None else f"after {seconds} s"

    out.print(f"  throttled in the surge        {judged.throttled_during:.1%} of calls")
    out.print(f"  under 1 % throttled           {after(judged.few_throttled_after)}")
    out.print(f"  throttled past two intervals  {judged.throttled_after:.3%} of calls")
    out.print(f"  interval settles              at {judged.interval:.0f} s, {after(judged.settled_after)}")
    out.print(f"  overshoot, swings over 10 %   {judged.overshoot:.1%}, {judged.swings}")
    out.print(f"  use of the true capacity      {judged.use:.0%}")
    if plot is not None:
        out.print(f"Chart: {plot}")
