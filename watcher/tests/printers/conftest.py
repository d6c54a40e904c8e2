"""Every kind of printer, each with its stand-in on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from watcher.tests.stand_ins import duet, octoprint, prusalink
from watcher.tests.stand_ins.bambu import CODE, SERIAL, BambuPrinter, bambu_printer
from watcher.tests.stand_ins.certificates import Tls, tls
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import moonraker_app
from watcher.tests.stand_ins.serve import serving

from layerwatch_watcher.printers.bambu import Bambu
from layerwatch_watcher.printers.base import Printer
from layerwatch_watcher.printers.duet import Duet
from layerwatch_watcher.printers.moonraker import Moonraker
from layerwatch_watcher.printers.moonraker_socket import MoonrakerSocket
from layerwatch_watcher.printers.octoprint import OctoPrint
from layerwatch_watcher.printers.prusalink import PrusaLink

__all__ = ["tls"]

KINDS = (
    "octoprint",
    "moonraker",
    "moonraker-socket",
    "prusalink",
    "duet",
    "duet-sbc",
    "bambu-p1",
    "bambu-x1",
)


@dataclass
class Peer:
    """A stand-in's machine, and our own view of it."""

    kind: str
    machine: Machine
    printer: Printer


async def connect(kind: str, machine: Machine, tls: Tls, stack: AsyncExitStack) -> Printer:
    if kind == "octoprint":
        url = await stack.enter_async_context(serving(octoprint.octoprint_app(machine)))
        return OctoPrint(url, octoprint.KEY)
    if kind == "moonraker":
        return Moonraker(await stack.enter_async_context(serving(moonraker_app(machine))), lamp="lamp")
    if kind == "moonraker-socket":
        return MoonrakerSocket(await stack.enter_async_context(serving(moonraker_app(machine))), lamp="lamp")
    if kind == "prusalink":
        url = await stack.enter_async_context(serving(prusalink.prusalink_app(machine)))
        return PrusaLink(url, prusalink.USER, prusalink.PASSWORD)
    if kind.startswith("duet"):
        url = await stack.enter_async_context(serving(duet.duet_app(machine, standalone=kind == "duet")))
        return Duet(url, duet.PASSWORD)
    port = await stack.enter_async_context(
        bambu_printer(BambuPrinter(machine, deltas=kind == "bambu-p1"), tls.server)
    )
    return Bambu("127.0.0.1", SERIAL, CODE, port=port, certificate=str(tls.pem))


@pytest.fixture(params=KINDS)
async def peer(request: pytest.FixtureRequest, tls: Tls) -> AsyncIterator[Peer]:
    machine = Machine()
    async with AsyncExitStack() as stack:
        printer = await connect(request.param, machine, tls, stack)
        yield Peer(request.param, machine, printer)
        await printer.close()
