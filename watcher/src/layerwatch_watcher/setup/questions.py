"""`setup`: ask for a printer, try it, send a test message, and write the file that watches it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Callable, Optional, Protocol

from layerwatch_sdk.clock import AsyncSystemClock
from layerwatch_watcher.setup import discovery
from layerwatch_watcher.setup.write_toml import toml_of, write
from layerwatch_watcher.watching import supervisor
from layerwatch_watcher.watching.builders import PRINTERS, printer_table_of
from layerwatch_watcher.watching.check import Finding
from layerwatch_watcher.watching.settings import WatcherSettings, read, read_file
from layerwatch_watcher.watching.toml_reader import ConfigError

_SECRETS = {
    "octoprint": ("key", "API key (OctoPrint: Settings, Application Keys)"),
    "moonraker": ("key", "API key (empty if it asks for none)"),
    "prusalink": ("password", "PrusaLink's password"),
    "bambu": ("code", "access code (on the printer's screen, under network)"),
    "duet": ("password", "password (empty if it has none)"),
}


class Asker(Protocol):
    """Somebody who answers."""

    def text(self, question: str) -> str:
        """An answer in the open."""

    def secret(self, question: str) -> str:
        """An answer that is not shown."""


class Terminal:
    """A person at the terminal."""

    def text(self, question: str) -> str:
        """An answer in the open; the question goes to standard error."""
        print(f"{question} ", end="", file=sys.stderr, flush=True)
        return input().strip()

    def secret(self, question: str) -> str:
        """An answer that is not shown."""
        return getpass.getpass(f"{question} (not shown): ").strip()


def main(arguments: Sequence[str], start: str, asker: Optional[Asker] = None) -> int:
    """Run the set-up; gives the exit status. start: the command that the file's path is put behind."""
    options = _parser().parse_args(arguments)
    if asker is None and sys.stdin.isatty() and not options.json:
        asker = Terminal()
    try:
        return asyncio.run(_Setup(options, start, asker).run())
    except (ConfigError, OSError, UnicodeError) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, EOFError):
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="setup", description="Set up the watcher: try a printer and write its file. What is not given is "
        "asked for at a terminal; a script gives all."
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("watch.toml"), help="the file (watch.toml)")
    parser.add_argument("--find", action="store_true", help="search the local network for printers (5 s)")
    parser.add_argument(
        "--printer",
        default=os.environ.get("LAYERWATCH_PRINTER", ""),
        help="the printer, such as octoprint://KEY@HOST; better in LAYERWATCH_PRINTER",
    )
    parser.add_argument("--camera", help="the camera's address; left out, the printer's own")
    parser.add_argument("--notify", help="Apprise address for messages, such as ntfy://TOPIC; env:NAME works")
    parser.add_argument("--server", default="", help="your Layerwatch server; its key is in LAYERWATCH_KEY")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    parser.add_argument("--json", action="store_true", help="ask nothing; one JSON object a line")
    return parser


class _Setup:
    def __init__(self, options: argparse.Namespace, start: str, asker: Optional[Asker]) -> None:
        self._options, self._start, self._asker = options, start, asker
        self._overwrite: bool = options.overwrite
        self._failed = False

    async def run(self) -> int:
        options = self._options
        found = await self._find()
        if not options.printer and self._asker is None:
            if not options.find:
                raise ConfigError("give --printer, or --find to see what is there")
            return 0 if found else 1
        if options.output.exists() and not self._overwrite:
            if not self._yes(f"{options.output} exists. Replace it?"):
                raise ConfigError(f"{options.output} exists; give --overwrite, or another --output")
            self._overwrite = True
        while True:
            values = self._values(found)
            if await self._passes(values, self._check) or not self._again():
                break
        if self._failed:
            return 1
        notify = options.notify
        if notify is None and self._asker is not None:
            notify = self._asker.secret("Apprise address for messages, such as ntfy://TOPIC; empty: none")
        if notify:
            values["notify"] = {"apprise": [{"url": notify}]}
            if not await self._passes(values, supervisor.try_channels):
                return 1
        write(options.output, toml_of(values), overwrite=self._overwrite)
        read_file(options.output)
        command = f"{self._start} {options.output}"
        self._say(
            {"written": str(options.output), "start": command},
            f"{options.output} is written. Start: {command}",
        )
        return 0

    async def _find(self) -> list[discovery.Found]:
        if self._options.printer and not self._options.find:
            return []
        if not self._options.find and not self._yes("Search the local network for printers (5 s)?"):
            return []
        found, missed = await discovery.search()
        for number, one in enumerate(found, 1):
            self._say({"found": one.table()}, f"{number}. {one.line()}")
        if missed:
            self._say({"not_searched": missed}, f"! {missed}")
        if not found:
            self._say({"found": None}, "No printer answered. Is it on, and in this network?")
        return found

    def _values(self, found: list[discovery.Found]) -> dict[str, Any]:
        """The file's values, from the options or by asking."""
        options = self._options
        printer = printer_table_of(options.printer) if options.printer else self._ask_printer(found)
        camera = options.camera
        if camera is None and self._asker is not None:
            camera = self._asker.text("Camera's address; empty: the printer's own")
        if camera:
            printer["camera"] = {"url": camera}
        values: dict[str, Any] = {"printer": [printer]}
        return {"server": options.server, "key": "env:LAYERWATCH_KEY", **values} if options.server else values

    def _ask_printer(self, found: list[discovery.Found]) -> dict[str, Any]:
        assert self._asker is not None
        while True:
            answer = self._asker.text(
                "Printer: its number above, or an address such as moonraker://voron.local"
            )
            if answer.isdecimal() and 1 <= int(answer) <= len(found):
                table = found[int(answer) - 1].table()
                break
            try:
                table = printer_table_of(answer)
                break
            except ConfigError:
                print(f"Not understood. Kinds are {', '.join(PRINTERS)}.", file=sys.stderr)
        if table["kind"] == "bambu" and not table.get("serial"):
            table["serial"] = self._asker.text("Serial number")
        name, question = _SECRETS[table["kind"]]
        if not table.get(name):
            secret = self._asker.secret(question)
            if secret:
                table[name] = secret
        return table

    def _again(self) -> bool:
        return not self._options.printer and self._yes("Enter the printer again?")

    def _yes(self, question: str) -> bool:
        return self._asker is not None and self._asker.text(f"{question} [y/N]").lower() in ("y", "yes")

    async def _passes(
        self, values: dict[str, Any], tried: Callable[[WatcherSettings], AsyncIterator[Finding]]
    ) -> bool:
        self._failed = False
        async for finding in tried(read(values, self._options.output.resolve().parent)):
            self._failed = self._failed or finding.ok is False
            self._say(finding.as_json(), finding.line())
        return not self._failed

    @staticmethod
    async def _check(settings: WatcherSettings) -> AsyncIterator[Finding]:
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(supervisor.shared_client())
            for printer in settings.printers:
                async for finding in supervisor.check_printer(printer, client, AsyncSystemClock(), stack):
                    yield finding

    def _say(self, values: dict[str, Any], line: str) -> None:
        print(json.dumps(values) if self._options.json else line, flush=True)
