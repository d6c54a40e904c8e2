"""Cameras that other software knows of: OctoPrint, Moonraker, PrusaLink and go2rtc.

Their settings are asked for at the first picture, and again after a picture failed: people plug webcams in
and out, and rename them.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any, Awaitable, Callable, Optional
from urllib.parse import quote, urlsplit, urlunsplit

import httpx

from layerwatch_watcher.cameras.addresses import beside, with_scheme
from layerwatch_watcher.cameras.base import Camera, CameraError, CameraSetupError
from layerwatch_watcher.cameras.http import HttpCamera
from layerwatch_watcher.cameras.transform import PictureTransform, TransformedCamera
from layerwatch_watcher.printers.base import PrinterError, PrinterSetupError
from layerwatch_watcher.printers.http import mapping
from layerwatch_watcher.printers.moonraker import Moonraker
from layerwatch_watcher.printers.octoprint import OctoPrint
from layerwatch_watcher.printers.prusalink import PrusaLink
from layerwatch_watcher.tls import private_tls

log = logging.getLogger("layerwatch_watcher")

USUAL_WEBCAM = "/webcam/?action=snapshot"
"""Where OctoPrint's own image serves the webcam."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class FoundCamera:
    """A camera that is looked up when a picture is wanted.

    find: asks the other software; raises CameraError or PrinterError.
    """

    def __init__(self, find: Callable[[], Awaitable[Camera]]) -> None:
        self._find = find
        self._camera: Optional[Camera] = None

    async def snapshot(self) -> bytes:
        """A picture from the camera that was found. Raises CameraError."""
        if self._camera is None:
            try:
                self._camera = await self._find()
            except PrinterSetupError as error:
                raise CameraSetupError(str(error), error.hint) from None
            except PrinterError as error:
                raise CameraError(str(error), error.hint) from None
        try:
            return await self._camera.snapshot()
        except CameraError:
            await self.close()
            raise

    async def close(self) -> None:
        """Forget the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            await camera.close()


def octoprint_camera(
    octoprint: OctoPrint,
    client: Optional[httpx.AsyncClient] = None,
    tls: Optional[ssl.SSLContext] = None,
) -> FoundCamera:
    """The webcam of OctoPrint's settings, flipped and turned as it is set there."""

    async def find() -> Camera:
        webcam = await _octoprint_webcam(octoprint)
        address = webcam.get("snapshotUrl") or webcam.get("streamUrl")
        if not isinstance(address, str) or not address:
            raise CameraSetupError(
                "OctoPrint has no webcam set up",
                "set its snapshot URL in OctoPrint: Settings → Classic Webcam; or give the camera's address",
            )
        view = PictureTransform(
            # OctoPrint turns counter-clockwise.
            rotate=270 if webcam.get("rotate90") else 0,
            flip_horizontal=bool(webcam.get("flipH")),
            flip_vertical=bool(webcam.get("flipV")),
        )
        # OctoPrint's own switch for a webcam with a self-signed certificate.
        unchecked = webcam.get("snapshotSslValidation") is False
        camera = HttpCamera(
            seen_from_here(octoprint.base, address), client=client, tls=private_tls() if unchecked else tls
        )
        return TransformedCamera.around(camera, view)

    return FoundCamera(find)


async def _octoprint_webcam(octoprint: OctoPrint) -> dict[str, Any]:
    """The webcam of OctoPrint's settings; the usual one if this key may use OctoPrint, but not read those."""
    try:
        return mapping((await octoprint.settings()).get("webcam"))
    except PrinterSetupError:
        await octoprint.status()  # raises again if the key is wrong altogether
        log.warning(
            "%s does not let this key read its settings (permission SETTINGS_READ): "
            "the webcam is assumed at %s, neither turned nor flipped",
            octoprint.base,
            USUAL_WEBCAM,
        )
        return {"snapshotUrl": USUAL_WEBCAM}


def moonraker_camera(
    moonraker: Moonraker,
    name: str = "",
    client: Optional[httpx.AsyncClient] = None,
    tls: Optional[ssl.SSLContext] = None,
) -> FoundCamera:
    """A webcam of Moonraker's list: the one called `name`, or the first that is switched on."""

    async def find() -> Camera:
        webcams = [webcam for webcam in await moonraker.webcams() if webcam.get("enabled", True)]
        names = ", ".join(str(webcam.get("name")) for webcam in webcams)
        chosen = next((webcam for webcam in webcams if not name or webcam.get("name") == name), None)
        if chosen is None:
            raise CameraSetupError(
                f"Moonraker has no webcam called {name}" if name else "Moonraker has no webcam",
                f"it has: {names}"
                if names
                else "add one in Mainsail or Fluidd, or give the camera's own address",
            )
        address = chosen.get("snapshot_url") or chosen.get("stream_url")
        if not isinstance(address, str) or not address:
            raise CameraSetupError(
                f"Moonraker's webcam {chosen.get('name')} has no address",
                "set its snapshot URL in Mainsail or Fluidd",
            )
        rotation = chosen.get("rotation")
        view = PictureTransform.turned_then_flipped(
            rotation if rotation in (90, 180, 270) else 0,
            horizontal=bool(chosen.get("flip_horizontal")),
            vertical=bool(chosen.get("flip_vertical")),
        )
        return TransformedCamera.around(
            HttpCamera(seen_from_here(moonraker.base, address), client=client, tls=tls), view
        )

    return FoundCamera(find)


def prusalink_camera(
    prusalink: PrusaLink,
    login: dict[str, str],
    client: Optional[httpx.AsyncClient] = None,
    tls: Optional[ssl.SSLContext] = None,
) -> FoundCamera:
    """The first camera of PrusaLink on a Raspberry Pi. The printers with built-in PrusaLink have none.

    login: user and password, or key, as given to `prusalink`.
    """

    async def find() -> Camera:
        cameras = await prusalink.cameras()
        if not cameras:
            raise CameraSetupError(
                "this PrusaLink has no camera of its own",
                "printers with built-in PrusaLink have none; give the camera's own address",
            )
        address = f"{prusalink.base}/api/v1/cameras/{quote(str(cameras[0].get('camera_id')), safe='')}/snap"
        if login.get("key"):
            return HttpCamera(address, headers={"X-Api-Key": login["key"]}, client=client, tls=tls)
        return HttpCamera(
            address,
            user=login.get("user", ""),
            password=login.get("password", ""),
            digest=True,
            client=client,
            tls=tls,
        )

    return FoundCamera(find)


def go2rtc_camera(url: str, stream: str, client: Optional[httpx.AsyncClient] = None) -> HttpCamera:
    """A stream of go2rtc, which makes JPEGs of whatever it reads (RTSP, ONVIF, HomeKit, …).

    url: go2rtc's address, like http://homeassistant.local:1984.  stream: the stream's name in its settings.
    """
    if not stream:
        raise CameraSetupError("go2rtc needs the stream's name", "go2rtc's own page shows it")
    return HttpCamera(
        f"{with_scheme(url).rstrip('/')}/api/frame.jpeg?src={quote(stream, safe='')}",
        client=client,
        timeout=20.0,
    )


def seen_from_here(base: str, address: str) -> str:
    """A webcam's address as software at `base` has it, made good for this machine.

    Relative ones belong to that host; `127.0.0.1` in its settings means that host, not this one.
    """
    address = beside(base, address)
    parts = urlsplit(address)
    host = urlsplit(base).hostname or ""
    if parts.hostname in _LOOPBACK and host not in _LOOPBACK:
        host = f"[{host}]" if ":" in host else host
        netloc = f"{host}:{parts.port}" if parts.port else host
        address = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
    return address
