"""The file that is written, and what becomes of one that exists."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, Tuple

from layerwatch_watcher.setup.write_toml import toml_of, write
from layerwatch_watcher.watching.settings import PrinterSettings, WatcherSettings, read_file

HEADER = "# Written by `layerwatch setup`. All settings: docs/watch.md\n"


class Mode(Enum):
    """What is done with the file."""

    NEW = "new"
    ADD = "add"
    REPLACE = "replace"


class Target:
    """A file to be written. Raises ConfigError if one that is added to is not a watcher's."""

    def __init__(self, path: Path, mode: Mode) -> None:
        self._path, self._mode = path, mode
        self._old = path.read_text(encoding="utf-8") if self.adds else ""
        self._settings: WatcherSettings | None = read_file(path) if self.adds else None

    @property
    def adds(self) -> bool:
        """Whether the printer joins others."""
        return self._mode is Mode.ADD

    @property
    def printers(self) -> Tuple[PrinterSettings, ...]:
        """The printers that the file has already."""
        return self._settings.printers if self._settings is not None else ()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def server(self) -> str:
        """The server that the file names already; empty if it names none."""
        return self._settings.server if self._settings is not None else ""

    @property
    def has_channels(self) -> bool:
        """Whether the file has channels for messages already."""
        notify = self._settings.notify if self._settings is not None else None
        return notify is not None and bool(notify.apprise or notify.webhooks or notify.mqtt)

    def free_name(self, name: str) -> str:
        """`name`, with a number if another printer of the file has it."""
        taken = {printer.name for printer in self.printers}
        number, free = 2, name
        while free in taken:
            number, free = number + 1, f"{name} {number}"
        return free

    def write(self, values: dict[str, Any]) -> None:
        """Write, and read it back. Raises ConfigError, after which the file is as it was, and OSError."""
        text = (self._old.rstrip("\n") + "\n\n" if self.adds else HEADER) + toml_of(values)
        trial = self._path.with_name(f".{self._path.name}.new")
        write(trial, text, overwrite=True)
        try:
            read_file(trial)
        finally:
            trial.unlink()
        write(self._path, text, overwrite=self._mode is not Mode.NEW)
