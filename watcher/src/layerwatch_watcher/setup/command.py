"""`setup`: find a printer, try it, send a test message, and write the file that watches it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Awaitable, Callable, Optional, Tuple

from layerwatch_watcher.setup import discovery, trial
from layerwatch_watcher.setup.asking import Asker, Terminal, agrees
from layerwatch_watcher.setup.found import FoundPrinter
from layerwatch_watcher.setup.target import Mode, Target
from layerwatch_watcher.setup.values import Values
from layerwatch_watcher.watching.policy import BeforePrint
from layerwatch_watcher.watching.settings import KEY_VARIABLES, SERVER_VARIABLES
from layerwatch_watcher.watching.toml_reader import ConfigError

Search = Callable[[], Awaitable[Tuple[list[FoundPrinter], str]]]
"""As `discovery.search`."""


def main(
    arguments: Sequence[str],
    start: str,
    *,
    needs_server: bool = False,
    asker: Optional[Asker] = None,
    search: Search = discovery.search,
) -> int:
    """Run the set-up; gives the exit status: 0 written, 1 something did not work, 2 wrong options.

    start: the command to which the file's path is appended to start watching.
    needs_server: whether that command has no detector.  asker: who is asked; the terminal, if there is one.
    """
    options = _parser(needs_server=needs_server).parse_args(arguments)
    if asker is None and sys.stdin.isatty() and not options.json:
        asker = Terminal()
    try:
        return asyncio.run(_Setup(options, start, asker, search, needs_server=needs_server).run())
    except (ConfigError, OSError, UnicodeError) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, EOFError):
        return 130


def _parser(*, needs_server: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="setup",
        description="Try a printer and a camera, send a test message, and write the file that watches them. "
        "Asks for missing values at a terminal.",
    )
    parser.add_argument("--output", type=Path, default=Path("watch.toml"), help="the file (watch.toml)")
    parser.add_argument(
        "--find",
        action="store_true",
        help=f"search the local network for printers ({discovery.SEARCH_S:g} s); alone: only list them",
    )
    parser.add_argument(
        "--printer",
        default=os.environ.get("LAYERWATCH_PRINTER", ""),
        help="the printer, for example octoprint://KEY@HOST; better in LAYERWATCH_PRINTER",
    )
    parser.add_argument("--camera", help="the camera's address (default: the printer's own camera)")
    parser.add_argument(
        "--before-print",
        choices=[mode.value for mode in BeforePrint],
        help="what to do before a print while something lies on the bed; needs a server (off)",
    )
    parser.add_argument("--notify", help="Apprise address for messages, such as ntfy://TOPIC; env:NAME works")
    server = next((os.environ[name] for name in SERVER_VARIABLES if os.environ.get(name)), "")
    parser.add_argument(
        "--server",
        default=server,
        help=f"your Layerwatch server; its key is in {KEY_VARIABLES[0]}"
        + ("" if needs_server else " (default: the detector runs in the watch command itself)"),
    )
    parser.add_argument("--add", action="store_true", help="add the printer to an existing file")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--json", action="store_true", help="ask nothing; one JSON object a line")
    return parser


class _Setup:
    def __init__(
        self,
        options: argparse.Namespace,
        start: str,
        asker: Optional[Asker],
        search: Search,
        *,
        needs_server: bool,
    ) -> None:
        self._options, self._start, self._asker, self._search = options, start, asker, search
        self._values = Values(asker, needs_server=needs_server)

    async def run(self) -> int:
        options = self._options
        given = bool(options.printer or options.camera)
        found = await self._find(given=given)
        if not given and self._asker is None:
            if not options.find:
                raise ConfigError("give --printer or --camera, or --find to list printers")
            return 0 if found else 1
        target = Target(options.output, self._mode())
        while True:
            problem = ""
            try:
                values = self._values.of(options, found, target)
                good = await self._passes(values, trial.try_printers)
            except ConfigError as error:
                if given or self._asker is None:
                    raise
                good, problem = False, str(error)
            if good:
                break
            if problem:
                print(f"✗ {problem}", file=sys.stderr)
            if given or not agrees(self._asker, "Enter the printer again?"):
                return 1
        if not target.has_channels:
            notify = options.notify
            if notify is None and self._asker is not None:
                notify = self._asker.secret("Apprise address for messages, such as ntfy://TOPIC; empty: none")
            if notify:
                values["notify"] = {"apprise": [{"url": notify}]}
                if not await self._passes(values, trial.try_channels):
                    return 1
        target.write(values)
        (printer,) = values["printer"]
        if "before_print" in printer and agrees(
            self._asker, "Is the bed empty now, with the head where it parks? Its look is then remembered."
        ):
            await self._passes(values, trial.teaching(target, printer["name"]))
        command = f"{self._start} {options.output}"
        self._say(
            {"written": str(options.output), "start": command},
            f"{options.output} is written. Start: {command}",
        )
        return 0

    def _mode(self) -> Mode:
        """What to do with a file that exists. Raises ConfigError where nobody decides."""
        options = self._options
        if not options.output.exists():
            return Mode.NEW
        if options.overwrite:
            return Mode.REPLACE
        if options.add or agrees(self._asker, f"{options.output} exists. Add the printer to it?"):
            return Mode.ADD
        if agrees(self._asker, "Replace it?"):
            return Mode.REPLACE
        raise ConfigError(f"{options.output} exists; give --add, --overwrite, or another --output")

    async def _find(self, *, given: bool) -> list[FoundPrinter]:
        if not self._options.find:
            if given:
                return []
            if not agrees(self._asker, f"Search the local network for printers ({discovery.SEARCH_S:g} s)?"):
                return []
        found, missed = await self._search()
        for number, one in enumerate(found, 1):
            self._say({"found": one.table()}, f"{number}. {one.line()}")
        if missed:
            self._say({"not_searched": missed}, f"! {missed}")
        if not found:
            self._say({"found": None}, "No printer answered. Is it on, and in this network?")
        return found

    async def _passes(self, values: dict[str, Any], tried: trial.Trial) -> bool:
        good = True
        async for finding in tried(values, self._options.output.absolute().parent):
            good = good and finding.ok is not False
            self._say(finding.as_json(), finding.line())
        return good

    def _say(self, values: dict[str, Any], line: str) -> None:
        print(json.dumps(values) if self._options.json else line, flush=True)
