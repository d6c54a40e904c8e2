"""Printer connection errors: clear messages and automatic recovery."""

from __future__ import annotations

import asyncio
import base64
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins import duet, octoprint, prusalink
from watcher.tests.stand_ins.bambu import CODE, SERIAL, BambuPrinter, bambu_printer
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import moonraker_app
from watcher.tests.stand_ins.serve import serving

from layerwatch_watcher.printers.bambu import Bambu
from layerwatch_watcher.printers.base import Printer, PrinterError, PrinterSetupError, PrinterState
from layerwatch_watcher.printers.duet import Duet
from layerwatch_watcher.printers.live import LiveLink
from layerwatch_watcher.printers.moonraker import Moonraker
from layerwatch_watcher.printers.moonraker_socket import MoonrakerSocket
from layerwatch_watcher.printers.octoprint import OctoPrint
from layerwatch_watcher.printers.prusalink import PrusaLink


async def complaint(printer: Printer) -> PrinterError:
    try:
        with pytest.raises(PrinterError) as caught:
            await printer.status()
        return caught.value
    finally:
        await printer.close()


async def eventually(printer: Printer, wanted: PrinterState) -> None:
    deadline = time.monotonic() + 6
    while True:
        try:
            if (await printer.status()).state is wanted:
                return
        except PrinterError:
            pass
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def asked(peer: BambuPrinter) -> None:
    """Wait until the printer received a pause command."""
    deadline = time.monotonic() + 6
    while not any(b'"pause"' in message for _, message in peer.broker.messages):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_a_wrong_login_is_reported_with_where_to_find_the_right_one(tls: Any) -> None:
    async with AsyncExitStack() as stack:
        octo = await stack.enter_async_context(serving(octoprint.octoprint_app(Machine())))
        prusa = await stack.enter_async_context(serving(prusalink.prusalink_app(Machine())))
        board = await stack.enter_async_context(serving(duet.duet_app(Machine())))
        sbc = await stack.enter_async_context(serving(duet.duet_app(Machine(), standalone=False)))
        port = await stack.enter_async_context(bambu_printer(BambuPrinter(Machine()), tls.server))
        for printer in (
            OctoPrint(octo, "wrong"),
            PrusaLink(prusa, "maker", "wrong"),
            Duet(board, "wrong"),
            Duet(sbc, "wrong"),
            Bambu("127.0.0.1", SERIAL, "wrong", port=port),
        ):
            error = await complaint(printer)
            assert isinstance(error, PrinterSetupError), error
            assert error.hint
            assert "wrong" not in str(error) + error.hint


@pytest.mark.parametrize(
    "make",
    [
        lambda url: OctoPrint(url, "k"),
        lambda url: Moonraker(url),
        lambda url: MoonrakerSocket(url),
        lambda url: PrusaLink(url, password="p"),
        lambda url: Duet(url),
    ],
)
async def test_another_page_at_the_address_is_not_taken_for_the_printer(make: Any) -> None:
    async def page(request: Request) -> Response:
        return HTMLResponse("<html><title>Router</title></html>")

    async with serving(Starlette(routes=[Route("/{rest:path}", page)])) as url:
        error = await complaint(make(url))
    assert "is not" in str(error) or "has no" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    "make",
    [
        lambda port: OctoPrint(f"http://127.0.0.1:{port}", "k"),
        lambda port: MoonrakerSocket(f"127.0.0.1:{port}"),
        lambda port: Bambu("127.0.0.1", SERIAL, CODE, port=port),
    ],
)
async def test_nothing_listening_is_said_to_be_that(make: Any) -> None:
    port = free_port()
    error = await complaint(make(port))
    assert "nothing listens" in str(error)
    assert str(port) in str(error)


async def test_octoprint_without_a_key_is_refused_before_any_call() -> None:
    with pytest.raises(PrinterSetupError, match="needs an API key"):
        OctoPrint("http://octopi.local", "")


async def test_a_duet_session_that_timed_out_is_opened_again() -> None:
    for standalone in (True, False):
        app = duet.duet_app(Machine(), standalone=standalone)
        async with serving(app) as url:
            printer = Duet(url, duet.PASSWORD)
            await printer.status()
            app.state.sessions.clear()
            assert (await printer.status()).state is PrinterState.IDLE
            await printer.close()


async def test_a_bambu_that_restarts_is_found_again(tls: Any) -> None:
    peer = BambuPrinter(Machine())
    async with bambu_printer(peer, tls.server) as port:
        printer = Bambu("127.0.0.1", SERIAL, CODE, port=port)
        await eventually(printer, PrinterState.IDLE)
        peer.broker.drop_all()
        peer.machine.state = "printing"
        await eventually(printer, PrinterState.PRINTING)
        await printer.close()


async def test_a_bambu_that_refuses_commands_says_what_to_switch_on(tls: Any) -> None:
    machine = Machine(state="printing", job=1)
    async with bambu_printer(BambuPrinter(machine, locked=True), tls.server) as port:
        printer = Bambu("127.0.0.1", SERIAL, CODE, port=port)
        with pytest.raises(PrinterError) as caught:
            await printer.pause()
        assert "developer mode" in caught.value.hint
        assert machine.state == "printing"
        await printer.close()


async def test_a_bambu_that_breaks_off_before_it_answers_is_said_to_have(tls: Any) -> None:
    peer = BambuPrinter(Machine(state="printing", job=1), deaf=True)
    async with bambu_printer(peer, tls.server) as port:
        printer = Bambu("127.0.0.1", SERIAL, CODE, port=port)
        pausing = asyncio.ensure_future(printer.pause())
        await asked(peer)
        peer.broker.drop_all()
        with pytest.raises(PrinterError, match="closed the connection"):
            await asyncio.wait_for(pausing, 5)
        await printer.close()


async def test_a_wait_for_a_silent_bambu_can_be_cancelled(tls: Any) -> None:
    peer = BambuPrinter(Machine(state="printing", job=1), deaf=True)
    async with bambu_printer(peer, tls.server) as port:
        printer = Bambu("127.0.0.1", SERIAL, CODE, port=port)
        pausing = asyncio.ensure_future(printer.pause())
        await asked(peer)
        pausing.cancel()
        await asyncio.wait({pausing}, timeout=5)
        assert pausing.cancelled()
        await printer.close()


async def test_another_certificate_than_the_pinned_one_is_refused(tls: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("other.test").cert_chain_pems[0].write_to_path(str(other))
    async with bambu_printer(BambuPrinter(Machine()), tls.server) as port:
        error = await complaint(Bambu("127.0.0.1", SERIAL, CODE, port=port, certificate=str(other)))
    assert "another certificate" in str(error)


async def test_moonraker_that_restarts_is_found_again() -> None:
    machine = Machine()
    port = 0
    async with serving(moonraker_app(machine)) as url:
        port = int(url.rsplit(":", 1)[1])
        printer = MoonrakerSocket(url)
        await eventually(printer, PrinterState.IDLE)
    with pytest.raises(PrinterError):
        for _ in range(100):
            await printer.status()
            await asyncio.sleep(0.02)
    machine.state = "printing"
    machine.elapsed = 5.0
    async with serving(moonraker_app(machine), port=port):
        await eventually(printer, PrinterState.PRINTING)
        await printer.close()


async def test_klipper_that_comes_back_is_subscribed_to_again() -> None:
    machine = Machine()
    async with serving(moonraker_app(machine)) as url:
        printer = MoonrakerSocket(url)
        await eventually(printer, PrinterState.IDLE)
        machine.switch_off()
        await eventually(printer, PrinterState.OFFLINE)
        machine.start()
        machine.print_on(10, 0.1)
        await eventually(printer, PrinterState.PRINTING)
        await printer.close()


async def test_a_link_with_a_mistake_in_it_tells_and_tries_again() -> None:
    tries = 0

    async def serve() -> None:
        nonlocal tries
        tries += 1
        raise RuntimeError("a bug")

    link = LiveLink("the printer", serve)
    with pytest.raises(PrinterError, match="broke: RuntimeError"):
        await link.ready()
    await link.close()
    assert tries == 1


async def test_a_proxy_s_login_in_a_printer_s_address_is_percent_decoded() -> None:
    seen: list[str] = []

    async def job(request: Request) -> Response:
        seen.append(request.headers.get("authorization", ""))
        return JSONResponse({"state": "Operational", "job": {}, "progress": {}})

    async with serving(Starlette(routes=[Route("/api/job", job)])) as url:
        printer = OctoPrint(url.replace("http://", "http://admin:p%40ss%231@"), "k")
        await printer.status()
        await printer.close()
    assert base64.b64decode(seen[0].split()[1]) == b"admin:p@ss#1"


@pytest.mark.parametrize("url", ["http://host:99999", "http://[::1", "ftp://host", "http://"])
def test_an_address_that_cannot_be_read_is_a_setup_error(url: str) -> None:
    with pytest.raises(PrinterSetupError, match="is not an http address"):
        OctoPrint(url, "k")
