"""`layerwatch migrate`: bring the database's tables to this version."""

from __future__ import annotations

from layerwatch.cli.installation import Installation, on_installation
from layerwatch.cli.output import say, show


@on_installation
def command(here: Installation) -> None:
    """Bring the database's tables to this version.

    `layerwatch serve` does the same when it starts. Run this before an update of many servers to see it
    succeed once; several at a time wait for each other, and what is up to date is left alone.
    """
    from layerwatch.storage.migrate import version

    before = version(here.unmigrated.engine)
    after = version(here.database.engine)
    if here.as_json:
        show({"before": before, "after": after})
    elif before == after:
        say(f"The tables are up to date (version {after}).")
    else:
        say(f"The tables were migrated from version {before or 'none'} to {after}.")
