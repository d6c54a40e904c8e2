"""`layerwatch regions`: what each region can take, and draining one for maintenance."""

from __future__ import annotations

from typing import Annotated

import typer

from layerwatch.cli.installation import Installation, on_installation
from layerwatch.cli.options import command_group
from layerwatch.cli.output import say, show, table
from layerwatch.core.errors import UserError
from layerwatch.fleet import heartbeat as fleet
from layerwatch.pacing import Bounds

app = command_group("Regions of a fleet: their capacity and load, and draining one for maintenance.")

Name = Annotated[str, typer.Argument(help="Name of the region, as its setting `region` says.")]


@app.command("list")
@on_installation
def list_(here: Installation) -> None:
    """Show every region that was heard of in the last 20 seconds."""
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
    """Send no new prints to a region. Those it has stay until they end or their client moves on."""
    with here.database.write() as session:
        if region not in {known.name for known in fleet.regions(session, here.now)}:
            raise UserError(
                f"no node of a region {region!r} was heard of lately; `layerwatch regions list` shows all"
            )
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
    """Take a region that is gone for good off the status page. Its history cannot be brought back."""
    with here.database.write() as session:
        if region in {known.name for known in fleet.regions(session, here.now)}:
            raise UserError(f"the region {region!r} lives: end its nodes first")
        if not fleet.forget(session, region):
            raise UserError(f"nothing is known of a region {region!r}")
    if here.as_json:
        show({"region": region, "forgotten": True})
    else:
        say(f"{region} is forgotten.")


def _say(here: Installation, region: str, *, draining: bool) -> None:
    if here.as_json:
        show({"region": region, "draining": draining})
    else:
        say(f"{region} {'is given no new prints' if draining else 'is given new prints again'}.")
