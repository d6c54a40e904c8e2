"""Starts the server and, once it has a configuration, the watcher, as Home Assistant wants an add-on to run.

The watcher's file is the one named in the options, in the add-on's own configuration folder. A key is made at
the first start and kept; it is given to the watcher in LAYERWATCH_KEY.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

DATA = Path("/data")
CONFIGURATION = Path("/config")
SERVER = "http://127.0.0.1:8080"


def key() -> str:
    """The watcher's key, made at the first start."""
    kept = DATA / "watcher.key"
    if not kept.exists():
        made = subprocess.run(
            ["layerwatch", "keys", "create", "--name", "add-on", "--data-dir", str(DATA), "--json"],
            check=True,
            capture_output=True,
            text=True,
        )
        kept.touch(mode=0o600)
        kept.write_text(json.loads(made.stdout)["key"])
    return kept.read_text().strip()


def wait_until_ready(server: subprocess.Popen[bytes]) -> None:
    """Wait for the server to answer, for as long as it lives."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"{SERVER}/readyz", timeout=2)  # noqa: S310 - our own server
            return
        except (urllib.error.URLError, OSError):
            time.sleep(1)


def main() -> int:
    options = json.loads((DATA / "options.json").read_text())
    config = CONFIGURATION / options.get("config", "watch.toml")
    environment = {**os.environ, "LAYERWATCH_KEY": key(), "LAYERWATCH_SERVER": SERVER}
    everywhere = "0.0.0.0"  # noqa: S104 - inside a container, whose ports Home Assistant opens
    programs = [subprocess.Popen(["layerwatch", "serve", "--host", everywhere, "--data-dir", str(DATA)])]
    signal.signal(signal.SIGTERM, lambda *_: [program.terminate() for program in programs])
    wait_until_ready(programs[0])
    if config.exists():
        programs.append(subprocess.Popen(["layerwatch", "watch", "--config", str(config)], env=environment))
    else:
        print(f"no {config.name} yet: put one into the add-on's configuration folder and start it again")
    # The add-on ends when either ends; Home Assistant's watchdog starts it again.
    while all(program.poll() is None for program in programs):
        time.sleep(1)
    for program in programs:
        program.terminate()
    return max(program.wait() for program in programs)


if __name__ == "__main__":
    sys.exit(main())
