"""`layerwatch regions`: what each region can take, and draining one for maintenance."""

from __future__ import annotations

from typing import Annotated

import typer

from layerwatch.cli.installation import Installation, on_installation
from layerwatch.cli.options import command_group
from layerwatch.cli.output import say, show, table
from layerwatch.core.errors import UserError
from layerwatch.fleet import repository as fleet
from layerwatch.pacing import Bounds
from layerwatch.status.report import remove_region

app = command_group("Regions of a fleet: their capacity and load, and draining one for maintenance.")

Name = Annotated[str, typer.Argument(help="Name of the region (its setting `region`).")]


@app.command("list")
@on_installation
def list_(here: Installation) -> None:
    """Show every region with a heartbeat in the last 20 seconds."""
    with here.database.read() as session:
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
            for region in fleet.regions(session, here.now)
        ]
        if here.as_json:
            show(rows)
        else:
            table("Regions", rows, right=("capacity", "healthy", "suspicious", "spare"))


@app.command()
@on_installation
def drain(
    here: Installation,
    region: Name,
) -> None:
    """Send no new prints to a region. Its prints stay until they end or their client changes region."""
    with here.database.write() as session:
        if region not in {known.name for known in fleet.regions(session, here.now)}:
            raise UserError(f"no running node in region {region!r}; see `layerwatch regions list`")
        fleet.drain(session, region, here.now)
    _say(here, region, draining=True)


@app.command()
@on_installation
def undrain(
    here: Installation,
    region: Name,
) -> None:
    """Send new prints to a region again."""
    with here.database.write() as session:
        if not fleet.undrain(session, region):
            raise UserError(f"the region {region!r} was not draining")
    _say(here, region, draining=False)


@app.command()
@on_installation
def forget(
    here: Installation,
    region: Name,
) -> None:
    """Remove a retired region from the status page. Its history cannot be restored."""
    with here.database.write() as session:
        if region in {known.name for known in fleet.regions(session, here.now)}:
            raise UserError(f"the region {region!r} has running nodes: stop them first")
        if not remove_region(session, region):
            raise UserError(f"unknown region {region!r}")
    if here.as_json:
        show({"region": region, "forgotten": True})
    else:
        say(f"{region} is removed.")


def _say(here: Installation, region: str, *, draining: bool) -> None:
    if here.as_json:
        show({"region": region, "draining": draining})
    else:
        say(f"{region} {'gets no new prints' if draining else 'gets new prints again'}.")
