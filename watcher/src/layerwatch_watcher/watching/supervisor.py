"""All printers of one configuration, watched in one process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from layerwatch_watcher.cameras.addresses import redact
from layerwatch_watcher.notifications.build import build_channels, build_homeassistant
from layerwatch_watcher.notifications.dispatch import Dispatcher
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.assembly import assemble, bed_inspector_of, shared_client
from layerwatch_watcher.watching.checkpoint import CheckpointStore, file_of
from layerwatch_watcher.watching.inspector import Inspector
from layerwatch_watcher.watching.print_session import Look
from layerwatch_watcher.watching.print_watcher import POLL_SECONDS, PrintWatcher
from layerwatch_watcher.watching.remote import RemoteControl
from layerwatch_watcher.watching.settings import WatcherSettings

if TYPE_CHECKING:
    from layerwatch_watcher.notifications.homeassistant import HomeAssistant

log = logging.getLogger("layerwatch_watcher")

CRASH_RESTART_DELAY_S = 10.0
"""Delay before a crashed printer watcher restarts, seconds."""


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
            watched, built = assemble(printer, client, judge.clock)
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
