"""What holds for every kind of printer: a print's life is seen as it is, and commands do what they say."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from layerwatch_watcher.printers.base import NotSupported, PrinterError, PrinterState, PrinterStatus

S = PrinterState


async def settled(peer: Any, wanted: PrinterState) -> PrinterStatus:
    """The status once it is `wanted`; a printer that tells by itself takes a moment to do so."""
    deadline = time.monotonic() + 3
    status = await peer.printer.status()
    while status.state is not wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
        status = await peer.printer.status()
    assert status.state is wanted, f"{peer.kind}: {status}"
    return status


async def test_a_print_from_start_to_end(peer: Any) -> None:
    machine = peer.machine
    await settled(peer, S.IDLE)
    machine.start("vase.gcode")
    assert (await settled(peer, S.PREPARING)).state.in_print
    machine.print_on(120, 0.25)
    status = await settled(peer, S.PRINTING)
    assert status.file == "vase.gcode"
    assert status.progress == pytest.approx(0.25, abs=0.01) or "socket" in peer.kind
    machine.finish()
    assert not (await settled(peer, S.FINISHED)).state.in_print


async def test_two_prints_are_distinguished(peer: Any) -> None:
    machine = peer.machine
    machine.start()
    machine.print_on(3600, 0.9)
    first = await settled(peer, S.PRINTING)
    machine.start()
    machine.print_on(5, 0.01)
    await asyncio.sleep(0.1)
    second = await settled(peer, S.PRINTING)
    distinct = first.job is not None and first.job != second.job
    back = first.elapsed is not None and second.elapsed is not None and second.elapsed < first.elapsed
    assert distinct or back


async def test_pause_stops_the_print_and_resume_continues_it(peer: Any) -> None:
    machine = peer.machine
    machine.start()
    machine.print_on(60, 0.1)
    await settled(peer, S.PRINTING)
    await peer.printer.pause()
    assert (await settled(peer, S.PAUSED)).state.standing
    await peer.printer.resume()
    await settled(peer, S.PRINTING)
    assert machine.commands == ["pause", "resume"]


async def test_pausing_a_paused_print_leaves_it_paused(peer: Any) -> None:
    peer.machine.start()
    peer.machine.print_on(60, 0.1)
    await settled(peer, S.PRINTING)
    await peer.printer.pause()
    await settled(peer, S.PAUSED)
    await peer.printer.pause()
    await asyncio.sleep(0.05)
    await settled(peer, S.PAUSED)


async def test_cancel_ends_it(peer: Any) -> None:
    peer.machine.start()
    peer.machine.print_on(60, 0.1)
    await settled(peer, S.PRINTING)
    await peer.printer.cancel()
    status = await settled(peer, S.CANCELLED)
    assert not status.state.in_print


async def test_a_runout_is_distinguished_from_a_pause_where_the_printer_reports_it(peer: Any) -> None:
    peer.machine.start()
    peer.machine.print_on(60, 0.1)
    await settled(peer, S.PRINTING)
    peer.machine.run_out()
    await settled(peer, S.PAUSED if peer.kind == "octoprint" else S.ATTENTION)


async def test_an_error_is_an_error(peer: Any) -> None:
    peer.machine.start()
    peer.machine.print_on(60, 0.1)
    peer.machine.fail("Heater extruder not heating at expected rate")
    await settled(peer, S.ERROR)


async def test_gcode_reaches_the_machine_in_order(peer: Any) -> None:
    peer.machine.start()
    peer.machine.print_on(60, 0.1)
    if peer.kind == "prusalink":
        with pytest.raises(NotSupported):
            await peer.printer.gcode(["M104 S0"])
        return
    await peer.printer.gcode(["M104 S0", "M140 S0"])
    await asyncio.sleep(0.05)
    assert peer.machine.commands == ["M104 S0", "M140 S0"]


async def test_the_light_goes_on_where_there_is_one(peer: Any) -> None:
    if peer.kind.startswith(("moonraker", "bambu")):
        await peer.printer.light(True)
        await asyncio.sleep(0.05)
        assert peer.machine.light
    else:
        with pytest.raises(NotSupported) as caught:
            await peer.printer.light(True)
        assert caught.value.hint


async def test_a_printer_without_power_is_offline_not_a_crash(peer: Any) -> None:
    if peer.kind == "prusalink":
        pytest.skip("PrusaLink is the printer itself: without power it does not answer")
    peer.machine.switch_off()
    await settled(peer, S.OFFLINE)


async def test_nothing_to_pause_is_reported_or_harmless(peer: Any) -> None:
    try:
        await peer.printer.pause()
    except PrinterError as error:
        assert str(error)
    await settled(peer, S.IDLE)


async def test_close_may_be_called_twice(peer: Any) -> None:
    await peer.printer.status()
    await peer.printer.close()
    await peer.printer.close()
