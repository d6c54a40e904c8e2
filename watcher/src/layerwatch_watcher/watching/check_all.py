"""Trying everything that the settings name once: server, printers, cameras, channels; showing empty beds."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection
from functools import partial
from importlib.resources import files
from typing import Callable

import httpx

from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.errors import LayerwatchError
from layerwatch_watcher.cameras.addresses import redact
from layerwatch_watcher.cameras.base import Camera
from layerwatch_watcher.notifications.build import build_channels, build_homeassistant
from layerwatch_watcher.notifications.dispatch import deliver
from layerwatch_watcher.notifications.event import DeliveryError, Event, Kind
from layerwatch_watcher.printers.base import NotSupported, Printer, PrinterError, PrinterSetupError
from layerwatch_watcher.watching.assembly import assemble, bed_inspector_of, shared_client
from layerwatch_watcher.watching.bed_check import BedCamera, BedInspector
from layerwatch_watcher.watching.check import Finding, check_camera, check_clock, check_server
from layerwatch_watcher.watching.inspector import Inspector
from layerwatch_watcher.watching.policy import Action
from layerwatch_watcher.watching.settings import PrinterSettings, WatcherSettings
from layerwatch_watcher.watching.toml_reader import ConfigError
from layerwatch_watcher.watching.watched import Watched


async def check(settings: WatcherSettings, open_judge: Callable[[], Inspector]) -> AsyncIterator[Finding]:
    """Try everything once, without doing anything to a printer: server, printers, cameras, channels."""
    try:
        judge = open_judge()
    except (ConfigError, LayerwatchError) as error:
        yield Finding("server", False, str(error))
        return
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(judge.close)
        client = await stack.enter_async_context(shared_client())
        try:
            bed_inspector_of(settings, judge)
        except ConfigError as error:
            yield Finding("before_print", False, str(error))
        if settings.server:
            yield await check_server(judge, redact(settings.server))
            clock = await check_clock(client, settings.server)
            if clock is not None:
                yield clock
        else:
            yield Finding("detector", True, "runs in this process; no server is used")
        for printer in settings.printers:
            async for finding in check_printer(printer, client, judge.clock, stack):
                yield finding
        try:
            for channel in build_channels(settings.notify, client):
                stack.push_async_callback(channel.close)
                yield Finding(channel.name, True, "is configured; send a test event with --test")
            home = build_homeassistant(settings.notify.mqtt)
            if home is not None:
                await home.check()
                yield Finding(home.name, True, "answers and accepts the login")
        except (ConfigError, DeliveryError) as error:
            yield Finding("notify", False, str(error))


async def check_printer(
    printer: PrinterSettings, client: httpx.AsyncClient, clock: AsyncClock, stack: contextlib.AsyncExitStack
) -> AsyncIterator[Finding]:
    """Try one printer, its login and its camera once, without doing anything to it."""
    try:
        watched, built = assemble(printer, client, clock)
    except ConfigError as error:
        yield Finding(printer.name, False, str(error))
        return
    stack.push_async_callback(built.printer.close)
    if printer.camera_only:
        async for finding in _check_cameras(watched):
            yield finding
        yield Finding(
            f"{printer.name}, printer", None, "only a camera: a failure is reported, nothing is paused"
        )
        return
    try:
        status = await built.printer.status()
    except PrinterError as error:
        yield Finding(f"{printer.name}, printer", False, str(error), error.hint)
    else:
        file = f", {status.file}" if status.file and status.state.in_print else ""
        answers = f"answers: {status.state.value}{file}"
        yield await _check_control(printer.name, built.printer, answers)
    async for finding in _check_cameras(watched):
        yield finding
    needs_gcode = Action.GCODE in (*printer.policy.on_warning, *printer.policy.on_pause)
    if built.kind == "prusalink" and (needs_gcode or printer.policy.heaters_off_after is not None):
        yield Finding(
            f"{printer.name}, policy",
            False,
            "PrusaLink does not accept G-code, so gcode and heaters_off_after cannot work",
            "set heaters_off_after = false and remove gcode for this printer",
        )


async def _check_cameras(watched: Watched) -> AsyncIterator[Finding]:
    for name, camera in watched.cameras.items():
        async for finding in check_camera(partial(_itself, camera), f"{watched.name}, {name}"):
            yield finding


def _itself(camera: Camera) -> Camera:
    return camera


async def _check_control(name: str, printer: Printer, answers: str) -> Finding:
    """Whether the printer would accept a pause, where it reports that."""
    subject = f"{name}, printer"
    try:
        await printer.check_control()
    except NotSupported:
        return Finding(subject, True, answers)
    except PrinterSetupError as error:
        return Finding(subject, False, f"{answers}; but it could not be paused: {error}", error.hint)
    except PrinterError as error:
        return Finding(subject, None, f"{answers}; it may not be possible to pause it: {error}", error.hint)
    return Finding(subject, True, f"{answers}; this login may pause it")


async def try_channels(settings: WatcherSettings) -> AsyncIterator[Finding]:
    """Send a test event through every channel, and report which accepted it."""
    text = "The channel works. A picture should be attached."
    picture = files("layerwatch_watcher.notifications").joinpath("test-picture.jpg").read_bytes()
    event = Event(Kind.TEST, "test", "Layerwatch: a test", text, picture=picture)
    async with shared_client() as client:
        for channel in build_channels(settings.notify, client):
            try:
                pictured = await deliver(channel, event)
            except DeliveryError as error:
                yield Finding(channel.name, False, str(error))
            else:
                what = (
                    "accepted the test event" if pictured else "accepted the test event, but not its picture"
                )
                yield Finding(channel.name, True, what)
            finally:
                await channel.close()


async def teach_beds(
    settings: WatcherSettings, names: Collection[str], open_judge: Callable[[], Inspector]
) -> AsyncIterator[Finding]:
    """Have the server remember how the beds of these printers look now: empty. Raises ConfigError."""
    for name in names:
        if name not in [printer.name for printer in settings.printers]:
            raise ConfigError(f"--empty-bed {name}: no printer has this name")
    judge = open_judge()
    if not isinstance(judge, BedInspector):
        await judge.close()
        raise ConfigError("--empty-bed needs a server, which remembers the bed: set server and key")
    server = redact(settings.server)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(judge.close)
        client = await stack.enter_async_context(shared_client())
        for printer in (one for one in settings.printers if one.name in names):
            watched, built = assemble(printer, client, judge.clock)
            stack.push_async_callback(built.printer.close)
            for name, camera in watched.cameras.items():
                stack.push_async_callback(camera.close)
                one = BedCamera(printer.name, name, camera, judge, judge.clock, server)
                taught = await one.teach()
                subject = f"{printer.name}, {name}"
                yield Finding(subject, bool(taught.clear), taught.why or "its empty bed is remembered")
