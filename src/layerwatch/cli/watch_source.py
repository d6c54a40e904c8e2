"""Watching through a camera without a printer: until its pictures end, once, or as a check of everything."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from layerwatch.cli.output import print_error
from layerwatch_sdk.clock import AsyncClock, AsyncSystemClock
from layerwatch_sdk.errors import LayerwatchError
from layerwatch_watcher.cameras import Camera, CameraError, is_recording, open_source
from layerwatch_watcher.cameras.addresses import redact
from layerwatch_watcher.tls import private_tls
from layerwatch_watcher.watching.check import Finding, check_camera, check_server, report
from layerwatch_watcher.watching.clock import SteppingClock
from layerwatch_watcher.watching.inspector import Inspector
from layerwatch_watcher.watching.print_session import Levels, Look, PrintSession, Trouble

if TYPE_CHECKING:
    from layerwatch.cli.watch_screen import Screen

RECORDING_SECONDS = 30
"""Seconds that each picture of a recording represents, without --interval."""


def watch_source(
    source: str,
    server: str,
    key: str,
    levels: Levels,
    *,
    interval: int | None,
    fps: float | None,
    certificate: Path | None,
    no_verify: bool,
    as_json: bool,
    once: bool,
    check: bool,
) -> int:
    """Watch what a camera, a folder or a video shows; the exit status. Options as of the command."""
    recording = is_recording(source)
    clock: AsyncClock = SteppingClock() if recording and not server else AsyncSystemClock()
    spacing = (interval or RECORDING_SECONDS) if recording else None
    rate = fps or 1 / (spacing or RECORDING_SECONDS)

    tls = None
    if certificate is not None or no_verify:
        try:
            tls = private_tls(str(certificate) if certificate else None)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--certificate") from None

    def camera() -> Camera:
        return open_source(source, fps=rate, tls=tls)

    def judge() -> Inspector:
        return _judge(server, key, clock, spacing)

    try:
        if check:
            code = asyncio.run(report(_check(camera, judge, server), as_json=as_json))
        else:
            code = asyncio.run(
                _watch(
                    camera,
                    judge,
                    lambda: _screen(source, server, as_json=as_json),
                    levels=levels,
                    server=server,
                    interval=interval,
                    recorded=spacing if not server else None,
                    once=once,
                )
            )
    except KeyboardInterrupt:
        code = 130
    return code


def _judge(server: str, key: str, clock: AsyncClock, spacing: int | None) -> Inspector:
    """A client of the server, or the detector in this process. Raises LayerwatchError."""
    if server:
        from layerwatch_sdk.async_client import AsyncClient

        if not key:
            raise LayerwatchError(
                "the server needs a key: give --key or set LAYERWATCH_KEY "
                "(make one with: layerwatch keys create --name NAME)"
            )
        try:
            return AsyncClient(api_key=key, base_url=server)
        except ValueError as error:
            raise LayerwatchError(str(error)) from None
    # Imported late: the watcher of a real server must not load the detector's libraries.
    from layerwatch.cli.local_inspector import LocalInspector

    return LocalInspector(clock, spacing=spacing)


async def _watch(
    open_camera: Callable[[], Camera],
    open_judge: Callable[[], Inspector],
    open_screen: Callable[[], Screen],
    *,
    levels: Levels,
    server: str,
    interval: int | None,
    recorded: int | None,
    once: bool,
) -> int:
    try:
        camera = open_camera()
    except CameraError as error:
        return _fail(str(error), error.hint)
    try:
        judge = open_judge()
    except LayerwatchError as error:
        return _fail(str(error), "")
    last: Trouble | None = None
    try:
        with open_screen() as screen:

            async def seen(look: Look) -> None:
                nonlocal last
                screen.show(look)
                last = look.trouble
                if once:
                    await session.stop()

            session = PrintSession(
                camera,
                judge,
                seen,
                levels=levels,
                server=redact(server),
                min_interval=interval or 0,
                recorded=recorded,
            )
            session.start()
            try:
                await session.wait()
            finally:
                await session.stop()
    finally:
        await camera.close()
        await judge.close()
    if last is not None and (once or last.final):
        return _fail(last.what, last.hint)
    return 0


async def _check(
    open_camera: Callable[[], Camera], open_judge: Callable[[], Inspector], server: str
) -> AsyncIterator[Finding]:
    async for finding in check_camera(open_camera):
        yield finding
    try:
        judge = open_judge()
    except LayerwatchError as error:
        yield Finding("server" if server else "detector", False, str(error))
        return
    if server:
        yield await check_server(judge, redact(server))
    else:
        yield Finding("detector", True, "runs in this process; no server is used")
    await judge.close()


def _screen(source: str, server: str, *, as_json: bool) -> Screen:
    from layerwatch.cli.watch_screen import JsonScreen, LineScreen, LiveScreen

    if as_json:
        return JsonScreen()
    if not sys.stdout.isatty():
        return LineScreen()
    where = f"judged by {redact(server)}" if server else "judged here"
    return LiveScreen(f" {redact(source) if '://' in source else source} · {where} ")


def _fail(what: str, hint: str) -> int:
    print_error(f"Error: {what}" + (f"\n  → {hint}" if hint else ""))
    return 1
