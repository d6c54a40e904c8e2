"""All printers of one configuration, watched in one process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

import httpx

from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.errors import LayerwatchError
from layerwatch_watcher.cameras.addresses import redact
from layerwatch_watcher.cameras.base import Camera
from layerwatch_watcher.notifications.build import build_channels, build_homeassistant
from layerwatch_watcher.notifications.dispatch import Dispatcher, deliver
from layerwatch_watcher.notifications.event import DeliveryError, Event, Kind
from layerwatch_watcher.printers.base import NotSupported, Printer, PrinterError, PrinterSetupError
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.bed_check import BedCamera, BedInspector
from layerwatch_watcher.watching.builders import BuiltPrinter, build_camera_only, build_cameras, build_printer
from layerwatch_watcher.watching.check import Finding, check_camera, check_clock, check_server
from layerwatch_watcher.watching.checkpoint import CheckpointStore, file_of
from layerwatch_watcher.watching.inspector import Inspector, MinimumIntervalInspector
from layerwatch_watcher.watching.policy import Action, BeforePrint
from layerwatch_watcher.watching.print_session import Look
from layerwatch_watcher.watching.print_watcher import POLL_SECONDS, PrintWatcher
from layerwatch_watcher.watching.remote import RemoteControl
from layerwatch_watcher.watching.settings import PrinterSettings, WatcherSettings
from layerwatch_watcher.watching.toml_reader import ConfigError
from layerwatch_watcher.watching.watched import Watched

if TYPE_CHECKING:
    from layerwatch_watcher.notifications.homeassistant import HomeAssistant

log = logging.getLogger("layerwatch_watcher")

CRASH_RESTART_DELAY_S = 10.0
"""Delay before a crashed printer watcher restarts, seconds."""


def open_remote(settings: WatcherSettings, clock: Optional[AsyncClock] = None) -> Inspector:
    """A client of the configured server, on the machine's clock or on this one. Raises ConfigError."""
    from layerwatch_sdk.async_client import AsyncClient

    if not settings.server:
        raise ConfigError("server: is missing; set your server's address, such as http://127.0.0.1:8080")
    try:
        client = AsyncClient(
            api_key=settings.key,
            base_url=settings.server,
            api_version=2 if settings.quick else None,  # only this version reports the minimum interval
            clock=clock,
        )
    except ValueError as error:
        raise ConfigError(f"server: {error}") from None
    return MinimumIntervalInspector(client) if settings.quick else client


async def watch(
    settings: WatcherSettings,
    judge: Inspector,
    *,
    on_look: Optional[Callable[[PrintWatcher, Look], None]] = None,
    on_ready: Optional[Callable[[list[PrintWatcher]], None]] = None,
    state: Optional[Path] = None,
) -> None:
    """Watch until cancelled. Closes what it opened, and `judge`. Raises ConfigError before it begins.

    state: folder in which each print under way is noted, so that a restart goes on with it; None: nowhere.
    """
    beds = bed_inspector_of(settings, judge)
    clock = judge.clock
    journal = ActionLog(settings.journal)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(judge.close)
        client = await stack.enter_async_context(shared_client())
        channels = build_channels(settings.notify, client)
        dispatcher = Dispatcher(channels, quiet=settings.notify.quiet, digest=settings.notify.digest)
        home = build_homeassistant(settings.notify.mqtt)

        def seen(watcher: PrintWatcher, look: Look) -> None:
            if home is not None:
                home.show(watcher, look)
            if on_look is not None:
                on_look(watcher, look)

        watchers: list[PrintWatcher] = []
        for printer in settings.printers:
            file = file_of(state, printer.name, printer.table.peek()) if state is not None else None
            watched, built = _assemble(printer, client, judge.clock)
            stack.push_async_callback(built.printer.close)
            for camera in watched.cameras.values():
                stack.push_async_callback(camera.close)
            watcher = PrintWatcher(
                watched,
                judge,
                journal,
                dispatcher.tell,
                server=redact(settings.server) if settings.server else "the detector",
                on_look=seen,
                memory=CheckpointStore(file),
                beds=beds,
            )
            watchers.append(watcher)
            if home is not None:
                home.add(watcher)
        dispatcher.start()
        stack.push_async_callback(dispatcher.close)
        if on_ready is not None:
            on_ready(watchers)

        async def one(number: int, watcher: PrintWatcher) -> None:
            # Spread over the polling interval, so that a farm is not asked all at the same moment.
            await clock.sleep(POLL_SECONDS * number / len(watchers))
            await _supervised(watcher, judge)

        tasks = [asyncio.ensure_future(one(n, watcher)) for n, watcher in enumerate(watchers)]
        if settings.server and settings.remote:
            remote = RemoteControl(client, settings.server, settings.key, watchers, clock, journal)
            tasks.append(asyncio.ensure_future(remote.run()))
        if home is not None:
            tasks.append(asyncio.ensure_future(home.run()))
            tasks.append(asyncio.ensure_future(_refresh(home, watchers, judge)))
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                task.result()
        finally:  # each is cancelled once: a second time would cut short what it does on its way out
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def bed_inspector_of(settings: WatcherSettings, judge: Inspector) -> Optional[BedInspector]:
    """What remembers empty beds; None without a server. Raises ConfigError where a printer needs it."""
    if isinstance(judge, BedInspector):
        return judge
    for printer in settings.printers:
        if printer.policy.before_print is not BeforePrint.OFF:
            raise ConfigError(
                f"{printer.name}: before_print needs a server, which remembers the empty bed; "
                "set server and key"
            )
    return None


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
            watched, built = _assemble(printer, client, judge.clock)
            stack.push_async_callback(built.printer.close)
            for name, camera in watched.cameras.items():
                stack.push_async_callback(camera.close)
                one = BedCamera(printer.name, name, camera, judge, judge.clock, server)
                taught = await one.teach()
                subject = f"{printer.name}, {name}"
                yield Finding(subject, bool(taught.clear), taught.why or "its empty bed is remembered")


def shared_client() -> httpx.AsyncClient:
    """One HTTP client for all cameras, printers and webhooks: a TLS context costs megabytes."""
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=40, keepalive_expiry=30)
    )


def _assemble(
    printer: PrinterSettings, client: httpx.AsyncClient, clock: AsyncClock
) -> tuple[Watched, BuiltPrinter]:
    if printer.camera_only:
        built, cameras = build_camera_only(printer.table, printer.cameras, client, clock)
    else:
        built = build_printer(printer.table, client)
        cameras = build_cameras(printer.cameras, built, printer.table.place, client, clock)
    printer.table.done()
    watched = Watched(
        printer.name, built.printer, cameras, printer.policy, printer.levels, printer.min_interval
    )
    return watched, built


async def _supervised(watcher: PrintWatcher, judge: Inspector) -> None:
    while True:
        try:
            await watcher.run()
        except Exception:  # one printer's trouble must not end the watching of the others
            log.exception("watching %s crashed; restarting in %g s", watcher.name, CRASH_RESTART_DELAY_S)
        await judge.clock.sleep(CRASH_RESTART_DELAY_S)


async def _refresh(home: HomeAssistant, watchers: list[PrintWatcher], judge: Inspector) -> None:
    while True:
        for watcher in watchers:
            home.refresh(watcher)
        await judge.clock.sleep(POLL_SECONDS)


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
        watched, built = _assemble(printer, client, clock)
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
