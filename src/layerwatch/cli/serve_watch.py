"""`layerwatch serve --watch`: the watcher beside the server, with a key that nobody has to handle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from layerwatch.core.errors import UserError
from layerwatch.core.private_files import replacing, restrict

if TYPE_CHECKING:
    from layerwatch.config import Settings
    from layerwatch.storage import Database

KEY_FILE = "watcher.key"
"""In the data folder, readable by its owner only, as the secret beside it is."""

END_SECONDS = 10


def check_config(path: Path) -> None:
    """Read the watcher's configuration before anything starts. Raises UserError."""
    from layerwatch_watcher.watching.settings import read_file
    from layerwatch_watcher.watching.toml_reader import ConfigError

    variables = ("LAYERWATCH_SERVER", "LAYERWATCH_URL", "LAYERWATCH_KEY", "LAYERWATCH_API_KEY")
    kept = {name: os.environ.pop(name) for name in variables if name in os.environ}
    try:
        settings = read_file(path)
    except ConfigError as error:
        raise UserError(f"{path}: {error}") from None
    finally:
        os.environ.update(kept)
    if settings.server:
        raise UserError(f"{path}: leave `server` and `key` out; with --watch this server is the one")


@contextmanager
def watching(path: Path, settings: Settings, database: Database) -> Iterator[None]:
    """The watcher as a process of its own, for as long as the block lasts.

    It may start before the server listens: a service that is not there yet is waited for. It ends with this
    process however that ends: its standard input is a pipe from here, which the system closes.
    """
    environment = os.environ | {
        "LAYERWATCH_SERVER": settings.own_url,
        "LAYERWATCH_KEY": watcher_key(settings, database),
    }
    command = [sys.executable, "-m", "layerwatch", "watch", "--config", str(path), "--end-with-input"]
    environment.setdefault("STATE_DIRECTORY", str(settings.data_dir / "watcher"))
    watcher = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)
    # Having shut down, uvicorn raises the signal again; its default would end us before the watcher is ended.
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        watcher.terminate()
        try:
            watcher.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            watcher.kill()
            watcher.wait()
        assert watcher.stdin is not None
        watcher.stdin.close()


def _leave(number: int, frame: object) -> None:
    sys.exit(0)


def watcher_key(settings: Settings, database: Database) -> str:
    """The watcher's key on this installation's own account, made at the first start and kept."""
    path = settings.data_dir / KEY_FILE
    if path.exists():
        restrict(path)
        return path.read_text(encoding="ascii").strip()
    from layerwatch.identity import local_account
    from layerwatch.identity.audit import ON_THE_COMMAND_LINE, record
    from layerwatch.keys import create_key

    now = datetime.now(UTC)
    with database.write() as session:
        account = local_account(session, now)
        new = create_key(
            session, account.id, name="watcher", pepper=settings.secrets().api_keys, now=now, dialect=2
        )
        record(session, ON_THE_COMMAND_LINE, "key created", f"watcher, …{new.text[-4:]}", now, account.id)
    with replacing(path) as file:
        file.write(f"{new.text}\n".encode("ascii"))
    return new.text
