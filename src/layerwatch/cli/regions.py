"""`layerwatch regions`: what each region can take, and draining one for maintenance."""

from __future__ import annotations

from typing import Annotated

import typer

from layerwatch.cli.common import AsJson, ConfigFile, DataDir, fail, office, say, show, table
from layerwatch.fleet import heartbeat as fleet
from layerwatch.pacing import Bounds

app = typer.Typer(
    no_args_is_help=True,
    help="Regions of a fleet: their capacity and load, and draining one for maintenance.",
)

Name = Annotated[str, typer.Argument(help="Name of the region, as its setting `region` says.")]


@app.command("list")
def list_(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every region that was heard of in the last 20 seconds."""
    with office(data_dir, config) as at, at.database.read() as session:
        bounds = Bounds()
        rows = [
            {
                "region": region.name,
                "url": region.url,
                "capacity": round(region.capacity, 1),
                "healthy": round(region.prints.healthy),
                "suspicious": round(region.prints.suspicious),
                "spare": round(region.spare(bounds), 1),
                "draining": region.draining,
            }
            for region in fleet.regions(session, at.now)
        ]
        if as_json:
            show(rows)
        else:
            table("Regions", rows, right=("capacity", "healthy", "suspicious", "spare"))


@app.command()
def drain(region: Name, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Send no new prints to a region. Those it has stay until they end or their client moves on."""
    with office(data_dir, config) as at, at.database.write() as session:
        if region not in {known.name for known in fleet.regions(session, at.now)}:
            fail(f"no node of a region {region!r} was heard of lately; `layerwatch regions list` shows all")
        fleet.drain(session, region, at.now)
    _say(region, True, as_json)


@app.command()
def undrain(
    region: Name, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Send new prints to a region again."""
    with office(data_dir, config) as at, at.database.write() as session:
        if not fleet.undrain(session, region):
            fail(f"the region {region!r} was not draining")
    _say(region, False, as_json)


@app.command()
def forget(
    region: Name, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Take a region that is gone for good off the status page. Its history cannot be brought back."""
    with office(data_dir, config) as at, at.database.write() as session:
        if region in {known.name for known in fleet.regions(session, at.now)}:
            fail(f"the region {region!r} lives: end its nodes first")
        if not fleet.forget(session, region):
            fail(f"nothing is known of a region {region!r}")
    if as_json:
        show({"region": region, "forgotten": True})
    else:
        say(f"{region} is forgotten.")


def _say(region: str, draining: bool, as_json: bool) -> None:
    if as_json:
        show({"region": region, "draining": draining})
    else:
        say(f"{region} {'is given no new prints' if draining else 'is given new prints again'}.")
