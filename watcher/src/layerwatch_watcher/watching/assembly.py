"""What the settings describe, made: the service's client, printers with their cameras, one HTTP client."""

from __future__ import annotations

from typing import Optional

import httpx

from layerwatch_sdk.clock import AsyncClock
from layerwatch_watcher.watching.bed_check import BedInspector
from layerwatch_watcher.watching.builders import BuiltPrinter, build_camera_only, build_cameras, build_printer
from layerwatch_watcher.watching.inspector import Inspector, MinimumIntervalInspector
from layerwatch_watcher.watching.policy import BeforePrint
from layerwatch_watcher.watching.settings import PrinterSettings, WatcherSettings
from layerwatch_watcher.watching.toml_reader import ConfigError
from layerwatch_watcher.watching.watched import Watched


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


def shared_client() -> httpx.AsyncClient:
    """One HTTP client for all cameras, printers and webhooks: a TLS context costs megabytes."""
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=40, keepalive_expiry=30)
    )


def assemble(
    printer: PrinterSettings, client: httpx.AsyncClient, clock: AsyncClock
) -> tuple[Watched, BuiltPrinter]:
    """A printer with its cameras, which the caller closes. Raises ConfigError."""
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
