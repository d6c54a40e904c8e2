"""The watcher beside the server (`layerwatch serve --watch`), with a key that nobody has to handle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
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

CONFIG_FILE = "watch.toml"
"""The watcher's configuration in the data folder, used without a file after `--watch`."""

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
        raise UserError(f"{path}: leave `server` and `key` out; this server is used")


class OwnWatcher:
    """The watcher of this installation: a process of its own, on the file `path`.

    It may start before the server listens: a service that is not there yet is waited for. It ends with this
    process however that ends: its standard input is a pipe from here, which the system closes.
    """

    def __init__(self, path: Path, settings: Settings, database: Database) -> None:
        self.path = path
        self._settings = settings
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether it watches now."""
        return self._process is not None and self._process.poll() is None

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Watch for as long as the block lasts, if there is a file, or from the moment that there is one."""
        # Having shut down, uvicorn raises the signal again; its default would end us before the watcher.
        before = signal.signal(signal.SIGTERM, _leave)
        try:
            if self.path.exists():
                self.restart()
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
            with self._lock:
                self._stop()

    def restart(self) -> None:
        """Watch what the file says now. Raises UserError, after which it is as it was."""
        check_config(self.path)
        with self._lock:
            self._stop()
            environment = os.environ | {
                "LAYERWATCH_SERVER": self._settings.own_url,
                "LAYERWATCH_KEY": watcher_key(self._settings, self._database),
            }
            environment.setdefault("STATE_DIRECTORY", str(self._settings.data_dir / "watcher"))
            command = [sys.executable, "-m", "layerwatch", "watch", "--config", str(self.path)]
            self._process = subprocess.Popen(
                [*command, "--end-with-input"], env=environment, stdin=subprocess.PIPE
            )

    def _stop(self) -> None:
        watcher, self._process = self._process, None
        if watcher is None:
            return
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
