"""The file's values, from the options or by asking."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Optional

from layerwatch_watcher.setup.asking import Asker, agrees
from layerwatch_watcher.setup.found import FoundPrinter
from layerwatch_watcher.setup.target import Target
from layerwatch_watcher.watching.address_tables import camera_table_of, printer_table_of
from layerwatch_watcher.watching.builders import PRINTERS
from layerwatch_watcher.watching.policy import BeforePrint
from layerwatch_watcher.watching.settings import KEY_VARIABLES
from layerwatch_watcher.watching.toml_reader import ConfigError

LOGINS = {
    "octoprint": ("key", "API key (OctoPrint: Settings, Application Keys)"),
    "moonraker": ("key", "API key (empty if it asks for none)"),
    "prusalink": ("password", "PrusaLink's password"),
    "bambu": ("code", "access code (on the printer's screen, under network)"),
    "duet": ("password", "password (empty if it has none)"),
}
"""Of each kind of printer: the setting that holds the login's secret, and how to ask for it."""


class Values:
    """Puts the values together. asker: who is asked for what is not given; None: nobody.

    needs_server: whether a server must be named.
    """

    def __init__(self, asker: Optional[Asker], *, needs_server: bool) -> None:
        self._asker = asker
        self._needs_server = needs_server

    def of(self, options: argparse.Namespace, found: list[FoundPrinter], target: Target) -> dict[str, Any]:
        """The values of a new file, or of the printer that is added to one. Raises ConfigError."""
        printer = self._printer(options, found)
        camera = options.camera
        if camera is None and self._asker is not None:
            own = "empty: the printer's own" if "kind" in printer else "such as http://HOST/snapshot.jpg"
            camera = self._asker.text(f"Camera's address; {own}")
        if camera:
            printer["camera"] = camera_table_of(camera)
        printer["name"] = target.free_name(printer["name"])
        server = self._server(options, target)
        mode = self._before_print(options, printer, has_server=bool(server or target.server))
        if mode is not BeforePrint.OFF:
            printer["before_print"] = mode.value
        return {**server, "printer": [printer]}

    def _before_print(
        self, options: argparse.Namespace, printer: dict[str, Any], *, has_server: bool
    ) -> BeforePrint:
        if options.before_print:
            return BeforePrint(options.before_print)
        possible = has_server and "kind" in printer
        if possible and agrees(self._asker, "Hold each print while something lies on the bed?"):
            return BeforePrint.REQUIRE
        return BeforePrint.OFF

    def _server(self, options: argparse.Namespace, target: Target) -> dict[str, Any]:
        if target.adds:
            return {}
        server = options.server
        if not server and self._needs_server and self._asker is not None:
            server = self._asker.text("Your Layerwatch server, such as http://192.168.1.5:8080")
        if not server:
            if self._needs_server:
                raise ConfigError("give --server: this machine has no detector")
            return {}
        variable = next((name for name in KEY_VARIABLES if os.environ.get(name)), None)
        if variable is not None:
            return {"server": server, "key": f"env:{variable}"}
        if self._asker is None:
            raise ConfigError(f"the server's key is missing: set {KEY_VARIABLES[0]}")
        return {"server": server, "key": self._asker.secret("The server's key")}

    def _printer(self, options: argparse.Namespace, found: list[FoundPrinter]) -> dict[str, Any]:
        if options.printer:
            return printer_table_of(options.printer)
        if options.camera or self._asker is None:
            return {"name": "camera"}
        table = self._chosen(self._asker, found)
        if "kind" not in table:
            return table
        if table["kind"] == "bambu" and not table.get("serial"):
            table["serial"] = self._asker.text("Serial number")
        name, question = LOGINS[table["kind"]]
        if not table.get(name):
            secret = self._asker.secret(question)
            if secret:
                table[name] = secret
        return table

    @staticmethod
    def _chosen(asker: Asker, found: list[FoundPrinter]) -> dict[str, Any]:
        while True:
            number = "its number above, or " if found else ""
            answer = asker.text(
                f"Printer: {number}an address such as moonraker://voron.local; empty: only a camera"
            )
            if not answer:
                return {"name": "camera"}
            if answer.isdecimal() and 1 <= int(answer) <= len(found):
                return found[int(answer) - 1].table()
            try:
                return printer_table_of(answer)
            except ConfigError:
                print(f"Not understood. Kinds are {', '.join(PRINTERS)}.", file=sys.stderr)
