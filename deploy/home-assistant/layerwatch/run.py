"""Starts the server and, once it has a configuration, the watcher, as Home Assistant wants an add-on to run.

The watcher's file is the one named in the options, in the add-on's own configuration folder. It needs no
`server` and no `key`: `layerwatch serve --watch` makes and keeps one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

DATA = Path("/data")
CONFIGURATION = Path("/config")


def command() -> list[str]:
    """What to run."""
    options = json.loads((DATA / "options.json").read_text())
    everywhere = "0.0.0.0"  # noqa: S104 - inside a container, whose ports Home Assistant opens
    words = ["layerwatch", "serve", "--host", everywhere, "--data-dir", str(DATA)]
    config = CONFIGURATION / options.get("config", "watch.toml")
    if config.exists():
        return [*words, "--watch", str(config)]
    print(f"no {config.name} yet: put one into the configuration folder, and start again", flush=True)
    return words


if __name__ == "__main__":
    program = command()
    os.execvp(program[0], program)
