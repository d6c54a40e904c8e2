"""`layerwatch watch --config` and `--printer`: printers followed and acted on, with or without a server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from layerwatch.cli.output import print_error
from layerwatch_sdk.clock import AsyncSystemClock
from layerwatch_watcher.cameras.sources import is_recording
from layerwatch_watcher.stopping import on_end_of_input, on_termination
from layerwatch_watcher.watching import assembly, check_all, supervisor
from layerwatch_watcher.watching.address_tables import camera_table_of, printer_table_of
from layerwatch_watcher.watching.check import report
from layerwatch_watcher.watching.checkpoint import default_folder
from layerwatch_watcher.watching.inspector import Inspector
from layerwatch_watcher.watching.policy import BeforePrint
from layerwatch_watcher.watching.print_session import Levels, Look
from layerwatch_watcher.watching.print_watcher import PrintWatcher
from layerwatch_watcher.watching.settings import WatcherSettings, read, read_file
from layerwatch_watcher.watching.toml_reader import ConfigError


def watch_farm(
    config: Path | None,
    printer: str,
    source: str | None,
    server: str,
    key: str,
    levels: Levels,
    interval: int | None,
    dry_run: bool,
    *,
    before_print: BeforePrint,
    empty_bed: Sequence[str] = (),
    check: bool,
    test: bool,
    as_json: bool,
    certificate: Path | None = None,
    no_verify: bool = False,
    notify: Sequence[str] = (),
    state: Path | None = None,
    end_with_input: bool = False,
) -> int:
    """Carry the command out; gives the exit code.

    empty_bed: printers whose bed is empty now, to be remembered so.
    certificate, no_verify: for an https camera that signs its own certificate.  notify: Apprise addresses.
    state: folder for what a restart needs, before the configuration's own.
    end_with_input: end when standard input is closed, as it is when the program that started this one ends.
    """
    try:
        if config is not None:
            if printer or source or notify or certificate is not None or no_verify:
                raise ConfigError(
                    "--config contains printers, cameras and channels; leave SOURCE, --printer and --notify "
                    "out"
                )
            if before_print is not BeforePrint.OFF:
                raise ConfigError("--before-print goes with --printer; write before_print into the file")
            settings = read_file(config)
        else:
            values = _values(printer, source, server, key, levels, interval, dry_run)
            if before_print is not BeforePrint.OFF:
                values["printer"][0]["before_print"] = before_print.value
            camera = values["printer"][0].get("camera")
            if certificate is not None or no_verify:
                if camera is None or camera["kind"] != "http":
                    raise ConfigError("--certificate and --no-verify need an https camera as SOURCE")
                camera |= {"certificate": str(certificate)} if certificate else {"verify": False}
            values["notify"] = {"apprise": [{"url": address} for address in notify]}
            settings = read(values, Path.cwd())

        def open_judge() -> Inspector:
            return _judge(settings)

        _log_to_stderr()
        if check:
            return asyncio.run(report(check_all.check(settings, open_judge), as_json=as_json))
        if test:
            return asyncio.run(report(check_all.try_channels(settings), as_json=as_json))
        if empty_bed:
            taught = check_all.teach_beds(settings, empty_bed, open_judge)
            return asyncio.run(report(taught, as_json=as_json))
        folder = state or settings.state or default_folder()
        return asyncio.run(
            _watch(settings, open_judge, folder, as_json=as_json, end_with_input=end_with_input)
        )
    except ConfigError as error:
        where = f"{config}: " if config is not None else ""
        print_error(f"Error: {where}{error}")
        return 2
    except KeyboardInterrupt:
        return 130


def _values(
    printer: str,
    source: str | None,
    server: str,
    key: str,
    levels: Levels,
    interval: int | None,
    dry_run: bool,
) -> dict[str, Any]:
    """The configuration that the flags stand for."""
    table: dict[str, Any] = printer_table_of(printer) if printer else {"name": "camera"}
    if source is not None:
        if is_recording(source):
            raise ConfigError("a printer's camera cannot be a recording; give the camera's address")
        table["camera"] = camera_table_of(source)
    return {
        "server": server,
        "key": key,
        "warning_level": levels.warning,
        "pause_level": levels.pause,
        "interval": interval or 0,
        "dry_run": dry_run,
        "printer": [table],
    }


def _judge(settings: WatcherSettings) -> Inspector:
    if settings.server:
        return assembly.open_remote(settings)
    # Imported late: the watcher of a real server must not load the detector's libraries.
    from layerwatch.cli.local_inspector import LocalInspector
    from layerwatch_sdk.errors import LayerwatchError

    try:
        return LocalInspector(AsyncSystemClock())
    except LayerwatchError as error:
        raise ConfigError(str(error)) from None


async def _watch(
    settings: WatcherSettings,
    open_judge: Callable[[], Inspector],
    state: Path,
    *,
    as_json: bool,
    end_with_input: bool,
) -> int:
    def shown(watcher: PrintWatcher, look: Look) -> None:
        from layerwatch.cli.watch_screen import as_json as look_as_json
        from layerwatch.cli.watch_screen import look_line

        if as_json:
            where = {"printer": watcher.name, "camera": look.camera}
            sys.stdout.write(json.dumps({**where, **look_as_json(look)}) + "\n")
        else:
            name = watcher.name if len(watcher.watched.cameras) == 1 else f"{watcher.name}, {look.camera}"
            sys.stdout.write(f"{name}: {look_line(look)}\n")
        sys.stdout.flush()

    def ready(watchers: list[PrintWatcher]) -> None:
        if not as_json:
            names = ", ".join(watcher.name for watcher in watchers)
            typer.echo(f"watching {names}; stop with Ctrl-C", err=True)

    # Without a terminal (systemd, Docker) only actions and troubles are worth a line; they go to the log.
    on_look = shown if as_json or sys.stdout.isatty() else None
    watching = supervisor.watch(settings, open_judge(), on_look=on_look, on_ready=ready, state=state)
    task = asyncio.ensure_future(watching)
    on_termination(task.cancel)
    if end_with_input:
        on_end_of_input(task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name, level in (("layerwatch_sdk", logging.WARNING), ("layerwatch_watcher", logging.INFO)):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.addHandler(handler)
