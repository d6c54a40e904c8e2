"""Printer commands and their outcomes: heaters, permissions, refusals, stuck flags, no answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from watcher.tests.stand_ins import octoprint, prusalink
from watcher.tests.stand_ins.bambu import CODE, SERIAL, BambuPrinter, bambu_printer
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import moonraker_app
from watcher.tests.stand_ins.serve import serving

from layerwatch_watcher.printers import bambu
from layerwatch_watcher.printers.bambu import Bambu
from layerwatch_watcher.printers.bambu_codes import developer_mode, hms_text, print_error_text
from layerwatch_watcher.printers.bambu_report import status_of
from layerwatch_watcher.printers.base import (
    NotSupported,
    PrinterError,
    PrinterSetupError,
    PrinterState,
    refined,
)
from layerwatch_watcher.printers.moonraker import Moonraker
from layerwatch_watcher.printers.moonraker import status_of as klipper_status
from layerwatch_watcher.printers.octoprint import OctoPrint
from layerwatch_watcher.printers.prusalink import PrusaLink


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_every_tool_and_the_bed_go_off_and_are_read_back(peer: Any) -> None:
    machine = peer.machine
    several = not peer.kind.startswith("bambu")
    if several:
        machine.targets = {"tool0": 215.0, "tool1": 230.0, "bed": 60.0}
    machine.start()
    machine.print_on(60, 0.1)
    if peer.kind == "prusalink":
        with pytest.raises(NotSupported):
            await peer.printer.heaters_off()
        assert (await peer.printer.heater_targets())["nozzle"] == 215.0
        return
    before = await peer.printer.heater_targets()
    assert sorted(before.values()) == ([60.0, 215.0, 230.0] if several else [60.0, 215.0])
    await peer.printer.heaters_off()
    await until(lambda: not any(machine.targets.values()))
    if peer.kind.startswith("bambu"):
        machine.print_on(61, 0.1)  # it reports at its next change
        await asyncio.sleep(0.05)
    assert set((await peer.printer.heater_targets()).values()) == {0.0}


async def test_a_login_that_may_pause_is_known_without_pausing(peer: Any) -> None:
    peer.machine.start()
    peer.machine.print_on(60, 0.1)
    if peer.kind.startswith(("duet", "bambu")):
        with pytest.raises(NotSupported):
            await peer.printer.check_control()
    else:
        await peer.printer.check_control()
    assert peer.machine.commands == [] and peer.machine.state == "printing"


async def test_an_octoprint_key_that_may_only_read_is_found_out() -> None:
    app = octoprint.octoprint_app(Machine(state="printing", job=1), permissions=("STATUS",))
    async with serving(app) as url:
        printer = OctoPrint(url, octoprint.KEY)
        with pytest.raises(PrinterSetupError, match="lacks the permission PRINT and CONTROL"):
            await printer.check_control()
        with pytest.raises(PrinterSetupError, match="does not let this login control") as caught:
            await printer.pause()
        assert "Access Control" in caught.value.hint and caught.value.refused
        await printer.close()


async def test_a_prusalink_login_is_tried_on_a_job_that_does_not_exist() -> None:
    machine = Machine(state="printing", job=7)
    async with serving(prusalink.prusalink_app(machine)) as url:
        printer = PrusaLink(url, prusalink.USER, "wrong")
        with pytest.raises(PrinterSetupError):
            await printer.check_control()
        await printer.close()
    assert machine.commands == []


async def test_klipper_with_a_stuck_pause_flag_is_paused_all_the_same() -> None:
    machine = Machine(state="printing", job=1, elapsed=60.0, stuck=True)
    async with serving(moonraker_app(machine)) as url:
        printer = Moonraker(url)
        status = await printer.status()
        assert status.state is PrinterState.PAUSED and status.print_time == 60.0
        await printer.pause()
        assert machine.state == "paused" and "CLEAR_PAUSE" in machine.commands
        assert (await printer.status()).print_time is None, "its two flags agree"
        await printer.close()


async def test_klipper_without_pause_is_named() -> None:
    app = moonraker_app(Machine(), lacks=("pause_resume",))
    async with serving(app) as url:
        printer = Moonraker(url)
        with pytest.raises(PrinterError, match=r"no \[pause_resume\]"):
            await printer.check_control()
        await printer.close()


async def test_a_bambu_serial_in_small_letters_is_the_same_printer(tls: Any) -> None:
    async with bambu_printer(BambuPrinter(Machine()), tls.server) as port:
        printer = Bambu("127.0.0.1", SERIAL.lower(), CODE, port=port)
        assert (await printer.status()).state is PrinterState.IDLE
        await printer.close()


async def test_a_bambu_that_reports_nothing_under_its_serial_is_asked_about_its_serial(
    tls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bambu_printer(BambuPrinter(Machine()), tls.server) as port:
        printer = Bambu("127.0.0.1", "01P00A999999999", CODE, port=port)
        with pytest.raises(PrinterError, match="reports nothing under the serial number") as caught:
            await printer.status()
        assert "check the serial number" in caught.value.hint
        await printer.close()


async def test_a_bambu_that_drops_commands_is_said_to_lack_developer_mode(tls: Any) -> None:
    peer = BambuPrinter(Machine(state="printing", job=1), deaf=True)
    async with bambu_printer(peer, tls.server) as port:
        printer = Bambu("127.0.0.1", SERIAL, CODE, port=port)
        await printer.status()
        pausing = asyncio.ensure_future(printer.pause())
        await until(lambda: any(b'"pause"' in payload for _, payload in peer.broker.messages))
        await peer.say({"command": "push_status", "hms": [{"attr": 0x05000500, "code": 0x00010007}]})
        with pytest.raises(PrinterSetupError, match="HMS 0500-0500-0001-0007") as caught:
            await pausing
        assert "developer mode" in caught.value.hint
        with pytest.raises(PrinterSetupError, match="developer mode is off"):
            await printer.check_control()
        await printer.close()


async def test_a_bambu_that_falls_silent_is_asked_again(tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bambu, "REFRESH_INTERVAL_S", 0.05)
    peer = BambuPrinter(Machine(state="printing", job=1))
    async with bambu_printer(peer, tls.server) as port:
        printer = Bambu("127.0.0.1", SERIAL, CODE, port=port)
        await printer.status()
        peer.machine.state = "paused"  # and its report is lost
        await asyncio.sleep(0.1)
        assert (await printer.status()).age > 0.05
        await until(lambda: sum(b"pushall" in payload for _, payload in peer.broker.messages) >= 2)
        await asyncio.sleep(0.02)
        assert (await printer.status()).state is PrinterState.PAUSED
        await printer.close()


def test_bambu_codes_in_words() -> None:
    assert print_error_text(0x03008004) == "the filament has run out (0300-8004)"
    assert print_error_text(0x0300ABCD) == "error 0300-ABCD"
    assert print_error_text(0) == ""
    assert "developer mode is off" in hms_text((0x05000500, 0x00010007))
    assert hms_text((0x07000200, 0x00040001)) == "HMS 0700-0200-0004-0001"


@pytest.mark.parametrize(
    ("report", "on"),
    [
        ({"fun": "20011A30F9CFB"}, False),
        ({"fun": "20011810F9CFB"}, True),
        ({"fun": "2001101000000"}, True),
        ({"fun": "?"}, None),
        ({}, None),
    ],
)
def test_developer_mode_is_read_from_the_report(report: dict[str, Any], on: Any) -> None:
    """Bit 29 of `fun` says that commands must be signed."""
    assert developer_mode(report) is on


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"progress": 0.0, "nozzles": [(120.0, 215.0)]}, PrinterState.PREPARING),
        ({"progress": 0.0, "nozzles": [(25.0, 0.0)], "bed": 60.0}, PrinterState.PREPARING),
        ({"progress": 0.0, "nozzles": [(25.0, 0.0)], "bed": 0.0}, PrinterState.PRINTING),
        ({"progress": 0.01, "nozzles": [(214.0, 215.0)]}, PrinterState.PRINTING),
        ({"progress": 0.01, "nozzles": [(214.0, 215.0)], "layer": 0}, PrinterState.PREPARING),
        ({"progress": 0.5, "nozzles": [(180.0, 215.0)]}, PrinterState.PRINTING),
        ({"progress": 0.5, "nozzles": []}, PrinterState.PRINTING),
        ({"progress": None}, PrinterState.PRINTING),
        ({"progress": 0.99, "nozzles": [(150.0, 0.0)]}, PrinterState.FINISHING),
        ({"progress": 1.0}, PrinterState.FINISHING),
    ],
)
def test_what_is_called_printing_begins_with_the_first_layer_and_ends_with_the_last(
    given: dict[str, Any], state: PrinterState
) -> None:
    assert refined(PrinterState.PRINTING, **given) is state
    assert refined(PrinterState.PAUSED, **given) is PrinterState.PAUSED


def test_klipper_that_prints_with_its_second_tool_is_not_at_its_end() -> None:
    objects = {
        "webhooks": {"state": "ready"},
        "print_stats": {"state": "printing", "print_duration": 60.0, "total_duration": 60.0},
        "virtual_sdcard": {"progress": 0.95},
        "extruder": {"target": 0.0},
        "extruder1": {"target": 215.0},
    }
    assert klipper_status(objects).state is PrinterState.PRINTING
    assert klipper_status({**objects, "extruder1": {"target": 0.0}}).state is PrinterState.FINISHING


def test_a_bambu_before_its_first_layer_is_preparing() -> None:
    report = {"gcode_state": "RUNNING", "stg_cur": 0, "mc_percent": 0, "layer_num": 0, "total_layer_num": 300}
    assert status_of(report).state is PrinterState.PREPARING
    printing = status_of({**report, "layer_num": 120, "mc_percent": 40})
    assert (printing.state, printing.layer, printing.layers) == (PrinterState.PRINTING, 120, 300)
    assert status_of({**report, "layer_num": 300, "mc_percent": 100}).state is PrinterState.FINISHING
