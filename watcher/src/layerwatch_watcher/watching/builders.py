"""Cameras and printers from their configuration tables.

The modules of single kinds are imported only where one is configured: a watcher of OctoPrints carries no
MQTT, and one without RTSP no ffmpeg.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any, Callable, Dict, Optional, Tuple, cast

import httpx

from layerwatch_sdk.clock import AsyncClock
from layerwatch_watcher.cameras.base import Camera, CameraSetupError
from layerwatch_watcher.cameras.transform import Area, LitCamera, PictureTransform, TransformedCamera
from layerwatch_watcher.printers.base import Printer, PrinterSetupError
from layerwatch_watcher.printers.camera_only import CameraOnly
from layerwatch_watcher.tls import private_tls
from layerwatch_watcher.watching.toml_reader import ConfigError, Table

PRINTERS = ("octoprint", "moonraker", "prusalink", "bambu", "duet")
MAX_NAME = 64
CAMERAS = ("http", "octoprint", "moonraker", "prusalink", "bambu", "go2rtc", "rtsp", "usb", "folder", "file")
_BAMBU_WITH_RTSP = ("x1", "x1c", "x1e", "h2d", "h2s", "p2s")
_BAMBU_WITH_JPEG = ("a1", "a1mini", "p1p", "p1s")


class BuiltPrinter:
    """A printer, and what its camera may need to know of it: kind, address, login, TLS context."""

    def __init__(
        self, kind: str, printer: Printer, *, tls: Optional[ssl.SSLContext] = None, **known: str
    ) -> None:
        self.kind = kind
        self.printer = printer
        self.tls = tls
        self.known = known


def build_printer(table: Table, client: httpx.AsyncClient) -> BuiltPrinter:
    """The printer of a [[printer]] table. Raises ConfigError."""
    kind = table.choice("kind", PRINTERS)
    try:
        return _PRINTER_BUILDERS[kind](table, client)
    except PrinterSetupError as error:
        raise ConfigError(f"{table.place}: {error}" + (f" ({error.hint})" if error.hint else "")) from None


def _tls(table: Table) -> Optional[ssl.SSLContext]:
    """For a device with a self-signed certificate: `certificate = FILE`, or `verify = false`."""
    certificate, verify = table.path("certificate"), table.flag("verify", True)
    if certificate is None:
        return None if verify else private_tls()
    if not verify:
        raise table.wrong("verify", "= false accepts any certificate; leave it out beside certificate")
    try:
        return private_tls(str(certificate))
    except ValueError as error:
        raise table.wrong("certificate", str(error)) from None


def _octoprint(table: Table, client: httpx.AsyncClient) -> BuiltPrinter:
    from layerwatch_watcher.printers.octoprint import OctoPrint

    tls = _tls(table)
    printer = OctoPrint(table.text("url"), table.secret("key"), client=client, tls=tls)
    return BuiltPrinter("octoprint", printer, tls=tls)


def _moonraker(table: Table, client: httpx.AsyncClient) -> BuiltPrinter:
    from layerwatch_watcher.printers.moonraker import Moonraker

    url, key, lamp = table.text("url"), table.secret("key", ""), table.text("lamp", "")
    tls = _tls(table)
    try:
        from layerwatch_watcher.printers.moonraker_socket import MoonrakerSocket
    except ImportError:  # without `websockets` it is asked over HTTP every few seconds
        return BuiltPrinter("moonraker", Moonraker(url, key, lamp=lamp, client=client, tls=tls), tls=tls)
    return BuiltPrinter("moonraker", MoonrakerSocket(url, key, lamp=lamp, client=client, tls=tls), tls=tls)


def _prusalink(table: Table, client: httpx.AsyncClient) -> BuiltPrinter:
    from layerwatch_watcher.printers.prusalink import PrusaLink

    url, user = table.text("url"), table.text("user", "maker")
    password, key = table.secret("password", ""), table.secret("key", "")
    tls = _tls(table)
    printer = PrusaLink(url, user, password, key=key, client=client, tls=tls)
    return BuiltPrinter("prusalink", printer, tls=tls, user=user, password=password, key=key)


def _bambu(table: Table, client: httpx.AsyncClient) -> BuiltPrinter:
    try:
        from layerwatch_watcher.printers.bambu import PORT, Bambu
    except ImportError:
        raise ConfigError(
            f"{table.place}: a Bambu printer needs aiomqtt: pip install 'layerwatch-watcher'"
        ) from None
    host, code = table.text("host"), table.secret("code")
    model = table.choice("model", (*_BAMBU_WITH_RTSP, *_BAMBU_WITH_JPEG), "p1s")
    certificate = table.path("certificate")
    pem = str(certificate) if certificate else None
    try:
        printer = Bambu(
            host, table.text("serial"), code, port=table.whole("port", PORT, 1, 65535), certificate=pem
        )
    except CameraSetupError as error:
        raise ConfigError(f"{table.place}: {error}") from None
    return BuiltPrinter("bambu", printer, host=host, code=code, model=model, certificate=pem or "")


def _duet(table: Table, client: httpx.AsyncClient) -> BuiltPrinter:
    from layerwatch_watcher.printers.duet import DEFAULT_PASSWORD, Duet

    password = table.secret("password", DEFAULT_PASSWORD)
    return BuiltPrinter("duet", Duet(table.text("url"), password, client=client, tls=_tls(table)))


_PRINTER_BUILDERS: dict[str, Callable[[Table, httpx.AsyncClient], BuiltPrinter]] = {
    "octoprint": _octoprint,
    "moonraker": _moonraker,
    "prusalink": _prusalink,
    "bambu": _bambu,
    "duet": _duet,
}


def build_camera_only(
    table: Table, cameras: Sequence[Table], client: httpx.AsyncClient, clock: AsyncClock
) -> Tuple[BuiltPrinter, Dict[str, Camera]]:
    """The printer of a [[printer]] that has nothing but cameras, and those, by name. Raises ConfigError."""
    if not cameras:
        raise ConfigError(f"{table.place}: kind is missing; or give a camera, which is enough to be notified")
    printer = CameraOnly(clock.monotonic)
    built = BuiltPrinter("camera", printer)
    opened = build_cameras(cameras, built, table.place, client, clock)
    return built, {name: printer.through(camera) for name, camera in opened.items()}


def build_cameras(
    tables: Sequence[Table], owner: BuiltPrinter, place: str, client: httpx.AsyncClient, clock: AsyncClock
) -> Dict[str, Camera]:
    """The cameras of a printer, by name. Without any table, its own. Raises ConfigError."""
    if not tables:
        return {"camera": build_camera(None, owner, place, client, clock)}
    cameras: Dict[str, Camera] = {}
    for number, table in enumerate(tables, 1):
        name = _camera_name(table, "camera" if len(tables) == 1 else f"camera {number}")
        if name in cameras:
            raise table.wrong("name", f"two cameras are called {name}; give each its own name")
        cameras[name] = build_camera(table, owner, place, client, clock)
    return cameras


def _camera_name(table: Table, default: str) -> str:
    name = str(table.peek().get("name") or default)
    if len(name) > MAX_NAME or not name.isprintable():
        raise table.wrong("name", f"must have 1 to {MAX_NAME} visible characters")
    return name


def build_camera(
    table: Optional[Table], owner: BuiltPrinter, place: str, client: httpx.AsyncClient, clock: AsyncClock
) -> Camera:
    """The camera of a printer: its `camera` table, or without one the camera that the printer has itself.

    Raises ConfigError.
    """
    try:
        if table is None:
            return _own_camera(owner, place, client, "")
        name = table.text("name", "")
        kind = table.choice("kind", CAMERAS, "http" if table.has("url") else owner.kind)
        camera = _camera(kind, table, owner, client, name)
        camera = TransformedCamera.around(camera, _view(table))
        camera = _lit(table, owner, camera, clock)
    except CameraSetupError as error:
        where = table.place if table is not None else place
        raise ConfigError(f"{where}: {error}" + (f" ({error.hint})" if error.hint else "")) from None
    table.done()
    return camera


def _camera(kind: str, table: Table, owner: BuiltPrinter, client: httpx.AsyncClient, name: str) -> Camera:
    from pathlib import Path

    if kind == "http":
        from layerwatch_watcher.cameras.http import HttpCamera

        return HttpCamera(
            table.text("url"),
            user=table.text("user", ""),
            password=table.secret("password", ""),
            digest=table.flag("digest", False),
            stale_frames=table.whole("stale_frames", 0, 0, 100),
            client=client,
            tls=_tls(table),
        )
    if kind in ("octoprint", "moonraker", "prusalink", "bambu"):
        if owner.kind != kind:
            raise table.wrong("kind", f"{kind} is for a printer of that kind; this one is {owner.kind}")
        return _own_camera(owner, table.place, client, name)
    if kind == "go2rtc":
        from layerwatch_watcher.cameras.finders import go2rtc_camera

        return go2rtc_camera(table.text("url"), table.text("stream"), client)
    if kind == "rtsp":
        from layerwatch_watcher.cameras.addresses import with_login
        from layerwatch_watcher.cameras.ffmpeg import rtsp_camera

        url, user = table.text("url"), table.text("user", "")
        password = table.secret("password", "")
        return rtsp_camera(with_login(url, user, password) if user else url, udp=table.flag("udp", False))
    if kind == "usb":
        from layerwatch_watcher.cameras.ffmpeg import usb_camera

        return usb_camera(table.text("device", "/dev/video0"), size=table.text("size", "1280x720"))
    from layerwatch_watcher.cameras.files import FolderCamera
    from layerwatch_watcher.cameras.sources import open_source

    path = table.path("path")
    if path is None:
        raise table.wrong("path", "is missing")
    return FolderCamera(Path(path), newest=True) if kind == "folder" else open_source(str(path))


def _own_camera(owner: BuiltPrinter, place: str, client: httpx.AsyncClient, name: str) -> Camera:
    from layerwatch_watcher.cameras import finders

    printer: Any = owner.printer
    if owner.kind == "octoprint":
        return finders.octoprint_camera(printer, client, owner.tls)
    if owner.kind == "moonraker":
        return finders.moonraker_camera(printer, name, client, owner.tls)
    if owner.kind == "prusalink":
        return finders.prusalink_camera(printer, owner.known, client, owner.tls)
    if owner.kind == "bambu":
        known = owner.known
        if known["model"] in _BAMBU_WITH_RTSP:
            from layerwatch_watcher.cameras.bambu import x1_address
            from layerwatch_watcher.cameras.ffmpeg import rtsp_camera

            return rtsp_camera(x1_address(known["host"], known["code"]))
        from layerwatch_watcher.cameras.bambu import BambuChamberCamera

        return BambuChamberCamera(known["host"], known["code"], certificate=known["certificate"] or None)
    raise ConfigError(f"{place}: a {owner.kind} printer has no camera of its own; add camera = {{ url = … }}")


def _view(table: Table) -> PictureTransform:
    rotate = table.whole("rotate", 0, 0, 270)
    if rotate not in (0, 90, 180, 270):
        raise table.wrong("rotate", f"must be 0, 90, 180 or 270 degrees clockwise, not {rotate}")
    ignored = table.raw("ignore") or []
    if not isinstance(ignored, list):
        raise table.wrong("ignore", "must be a list of areas, each [left, top, width, height] from 0 to 1")
    crop = table.numbers("crop")
    return PictureTransform(
        rotate,
        table.flag("flip_horizontal", False),
        table.flag("flip_vertical", False),
        None if crop is None else _area(table, "crop", crop),
        tuple(_area(table, "ignore", area) for area in ignored),
    )


def _area(table: Table, name: str, numbers: Any) -> Area:
    good = isinstance(numbers, (list, tuple)) and len(numbers) == 4
    good = good and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and 0 <= n <= 1 for n in numbers
    )
    if not good or not (numbers[2] > 0 and numbers[3] > 0 and numbers[0] < 1 and numbers[1] < 1):
        raise table.wrong(name, f"an area is [left, top, width, height], each from 0 to 1, not {numbers!r}")
    return cast(Area, tuple(float(n) for n in numbers))


def _lit(table: Table, owner: BuiltPrinter, camera: Camera, clock: AsyncClock) -> Camera:
    settle = table.duration("light_settle", 2.0)
    on, off = table.texts("light_on"), table.texts("light_off")
    own = table.flag("light", False)
    if not own and not on:
        return camera
    if own and on:
        raise table.wrong("light", "give either light = true (the printer's own) or light_on and light_off")
    printer = owner.printer

    async def switch(lit: bool) -> None:
        if own:
            await printer.light(lit)
        elif lit or off:
            await printer.gcode(on if lit else off)

    return LitCamera(camera, switch, settle=settle or 0.0, sleep=clock.sleep)
