"""The chamber camera of Bambu Lab's A1 and P1 printers: JPEGs over TLS on port 6000.

A login packet of 80 bytes goes out; then come frames, each a header of 16 bytes, whose first four say how
long the JPEG after it is. (The X1 series speaks RTSP instead: `rtsp_camera(x1_address(…))`.)
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from typing import Optional

from layerwatch_sdk import MAX_PICTURE_BYTES
from layerwatch_watcher.cameras.addresses import with_login
from layerwatch_watcher.cameras.base import CameraError, CameraSetupError, checked
from layerwatch_watcher.cameras.mjpeg import MjpegParser
from layerwatch_watcher.tls import private_tls
from layerwatch_watcher.waiting import within

USER = "bblp"
PORT = 6000
_LOGIN = struct.Struct("<IIII32s32s")
_HEADER = struct.Struct("<IIII")


def tls_context(certificate: Optional[str] = None) -> ssl.SSLContext:
    """TLS for a printer that signs its own certificate; see `private_tls`. Raises CameraSetupError."""
    try:
        return private_tls(certificate)
    except ValueError as error:
        raise CameraSetupError(str(error), "see docs/printers/bambu.md") from None


def login_packet(code: str) -> bytes:
    """The 80 bytes that open the stream."""
    return _LOGIN.pack(0x40, 0x3000, 0, 0, USER.encode(), code.encode())


def x1_address(host: str, code: str) -> str:
    """The RTSP address of an X1's, X1C's, X1E's, H2D's or P2S's camera; "LAN mode liveview" must be on."""
    return with_login(f"rtsps://{host}:322/streaming/live/1", USER, code)


class BambuChamberCamera:
    """The camera of an A1, A1 mini, P1P or P1S. One connection a picture; the printer serves one viewer well.

    code: the printer's LAN access code.  certificate: as for `tls_context`.
    """

    def __init__(
        self,
        host: str,
        code: str,
        *,
        port: int = PORT,
        certificate: Optional[str] = None,
        timeout: float = 15.0,
    ) -> None:
        if not code or len(code.encode()) > 32:
            raise CameraSetupError(
                "a Bambu camera needs the printer's access code",
                "it is on the printer's screen: Settings → Network (LAN access code)",
            )
        self._host, self._port = host, port
        self._code = code
        self._tls = tls_context(certificate)
        self._timeout = timeout

    async def snapshot(self) -> bytes:
        """The first whole frame. Raises CameraError."""
        try:
            return await within(self._frame(), self._timeout)
        except asyncio.TimeoutError:
            raise CameraError(
                f"the camera of {self._host} gave no picture in {self._timeout:g} s",
                "close other viewers (Bambu Studio, Bambu Handy); the printer serves only one or two",
            ) from None

    async def _frame(self) -> bytes:
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        except ssl.SSLCertVerificationError:
            raise CameraSetupError(
                f"the printer at {self._host} shows another certificate than the one given",
                "fetch it again, if you are sure that it is your printer",
            ) from None
        except (OSError, ssl.SSLError):
            raise CameraError(
                f"the camera of {self._host} does not answer at port {self._port}",
                "see that the printer is on; an X1 has RTSP instead: model = 'x1'",
            ) from None
        try:
            writer.write(login_packet(self._code))
            await writer.drain()
            size, _, _, _ = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if not 0 < size <= 2 * MAX_PICTURE_BYTES:
                raise CameraError(f"what answers at {self._host}, port {self._port} is not a Bambu camera")
            return checked(await _picture(reader, size), f"the camera of {self._host}")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise CameraError(
                    f"the camera of {self._host} broke off in the middle of a picture"
                ) from None
            # A wrong code is answered by closing the connection without a word.
            raise CameraError(
                f"the camera of {self._host} closed the connection",
                "check the access code, and that LAN liveview is switched on",
            ) from None
        except (OSError, ssl.SSLError):
            raise CameraError(f"the connection with the camera of {self._host} broke") from None
        finally:
            # Not closed in good order: the printer may never answer TLS' goodbye, and the picture is here.
            with contextlib.suppress(OSError, RuntimeError):
                writer.transport.abort()

    async def close(self) -> None:
        """Nothing is held between two pictures."""


async def _picture(reader: asyncio.StreamReader, size: int) -> bytes:
    """The frame of `size` bytes, or what came of it if that already holds a whole JPEG."""
    parser = MjpegParser()
    data = b""
    while len(data) < size:
        piece = await reader.read(size - len(data))
        if not piece:
            raise asyncio.IncompleteReadError(data, size)
        data += piece
        frames = parser.feed(piece)
        if frames:
            return frames[0]
    return data
