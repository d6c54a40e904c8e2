"""Reads a JPEG's segments, and refuses what must not reach the decoder.

Nothing is decoded here. The walk finds the picture's size, its scans and its true end, so that a
decompression bomb costs microseconds and a frame that was cut off is called so. Layout after ITU-T T.81.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from layerwatch.vision.errors import ImageDecodeError
from layerwatch.vision.jpeg.overwritten import HuffmanTables, has_hole

MAX_PICTURE_BYTES = 6_291_456
"""Largest picture of the wire contract (6 MiB)."""

MAX_SEGMENTS = 2_000
"""A large EXIF, ICC or depth-map attachment takes about 100 segments of 64 KiB in a file of 6 MiB."""

MAX_SIDE = 16_384
MAX_PIXELS = 40_000_000
"""Largest picture. Phones send 12 to 50 MP; the reduced decode of 40 MP takes under 0.1 s on one core."""

MAX_SCANS = 40
MAX_MULTI_SCAN_PIXELS = 12_500_000
MAX_SCAN_PIXELS = 150_000_000
"""Bounds for pictures in several scans (progressive ones have about 10). The decoder keeps all their
coefficients in memory (6 bytes a pixel at most for colour) and walks over every block once for each scan,
however few bytes the scan holds, so pixels, scans and their product are bounded."""

_SOI, _EOI, _SOS, _DHT, _DAC, _COM = 0xD8, 0xD9, 0xDA, 0xC4, 0xCC, 0xFE
_APP0, _APP1, _APP14 = 0xE0, 0xE1, 0xEE
_ORIENTATION_TAG = 0x0112
_HUFFMAN_FRAMES = {0xC0: "baseline", 0xC1: "extended sequential", 0xC2: "progressive"}
_REFUSED_FRAMES = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xC9: "arithmetic-coded",
    0xCA: "arithmetic-coded",
    0xCB: "arithmetic-coded",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "hierarchical",
}
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker inside or after coded data: stuffed zeros and restart markers belong to the data."""

_FILL = re.compile(rb"\xff*(?=\xff)")
_NOT_SENT = 99

_OTHER_FORMATS = (
    (b"\x89PNG", "a PNG"),
    (b"GIF8", "a GIF"),
    (b"RIFF", "a WebP or AVI file"),
    (b"BM", "a BMP"),
    (b"%PDF", "a PDF"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"<", "HTML or XML text"),
    (b"{", "JSON text"),
    (b"--", "a multipart stream"),
)


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the decoder needs to know beforehand.

    width, height: pixels, as stored (before `orientation`).  components: 1 grey, 3 colour, 4 CMYK.
    orientation: EXIF orientation 1..8 (1: upright).  stream: the picture alone, SOI to EOI, without
    metadata and without what came before or after it.
    """

    width: int
    height: int
    components: int
    progressive: bool
    scans: int
    orientation: int
    stream: bytes


class _Frame:
    """The picture's frame header, and which of its coefficients the scans have sent so far."""

    def __init__(self, marker: int, body: bytes) -> None:
        if len(body) < 6 or len(body) < 6 + 3 * body[5]:
            raise ImageDecodeError("The JPEG's frame header is damaged. Send the camera's frame unchanged.")
        self.progressive = marker == 0xC2
        self.height = int.from_bytes(body[1:3], "big")
        self.width = int.from_bytes(body[3:5], "big")
        self.scans = 0
        if body[0] != 8:
            raise ImageDecodeError(f"The JPEG has {body[0]} bits a sample. Save it with 8 bits.")
        if self.width == 0 or self.height == 0:
            raise ImageDecodeError(
                f"The JPEG says it is {self.width} x {self.height} pixels. Send a frame with a size."
            )
        if max(self.width, self.height) > MAX_SIDE or self.width * self.height > MAX_PIXELS:
            raise ImageDecodeError(
                f"The JPEG says it is {self.width} x {self.height} pixels; at most {MAX_SIDE} a side and "
                f"{MAX_PIXELS // 1_000_000} million in all are accepted. 1280 x 720 is plenty."
            )
        if body[5] not in (1, 3, 4):
            raise ImageDecodeError(
                f"The JPEG has {body[5]} colour components. Save it as a grey or colour (YCbCr) picture."
            )
        self.missing_bits: dict[int, list[int]] = {}
        for at in range(6, 6 + 3 * body[5], 3):
            self.missing_bits[body[at]] = [_NOT_SENT] * 64

    def add_scan(self, body: bytes) -> None:
        count = body[0] if body else 0
        if not 1 <= count <= 4 or len(body) != 4 + 2 * count:
            raise ImageDecodeError("A scan header of the JPEG is damaged. Send the camera's frame unchanged.")
        first, last, low = body[-3], min(body[-2], 63), body[-1] & 0x0F
        if not self.progressive:
            first, last, low = 0, 63, 0
        for at in range(1, 1 + 2 * count, 2):
            bits = self.missing_bits.get(body[at])
            if bits is None:
                raise ImageDecodeError("A scan of the JPEG names a colour component that it does not have.")
            bits[first : last + 1] = [low] * max(0, last + 1 - first)
        self.scans += 1
        pixels = self.width * self.height
        if self.scans > MAX_SCANS:
            raise ImageDecodeError(f"The JPEG has more than {MAX_SCANS} scans. Save it as a baseline JPEG.")
        if self.is_multi_scan and (pixels > MAX_MULTI_SCAN_PIXELS or pixels * self.scans > MAX_SCAN_PIXELS):
            raise ImageDecodeError(
                f"The JPEG is too large ({self.width} x {self.height}) for one with several scans. "
                "Save it as a baseline JPEG, or smaller."
            )

    @property
    def is_multi_scan(self) -> bool:
        return self.progressive or self.scans > 1

    @property
    def is_complete(self) -> bool:
        """Every component was sent to its last bit. A progressive file cut between two scans was not."""
        return self.scans > 0 and all(not any(bits) for bits in self.missing_bits.values())


def read_header(data: bytes | bytearray | memoryview) -> JpegHeader:
    """Walk through a JPEG's segments from SOI to EOI.

    Accepts what cameras send as MJPEG frames: no JFIF header, tables in any order, no Huffman tables,
    blank bytes before SOI, anything after EOI. Raises ImageDecodeError for everything else that is not
    one whole Huffman-coded 8-bit JPEG within this module's bounds.
    """
    data = bytes(data)
    if not data:
        raise ImageDecodeError("The image is empty. Send the bytes of one JPEG.")
    if len(data) > MAX_PICTURE_BYTES:
        raise ImageDecodeError(
            f"The image has {len(data):,} bytes; at most {MAX_PICTURE_BYTES:,} fit."
            " Lower its quality or size."
        )
    start = _start(data)
    frame: _Frame | None = None
    tables = HuffmanTables()
    orientation = 1
    kept = [b"\xff\xd8"]
    position = start + 2
    for _ in range(MAX_SEGMENTS):
        marker, at = _marker_at(data, position)
        if marker == _EOI:
            break
        if marker == _SOI:
            raise _cut("another picture starts before its end")
        if marker in _STANDALONE:
            position = at + 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data) or end < at + 4:
            raise _cut(f"it ends inside a header segment after {len(data):,} bytes")
        body = data[at + 4 : end]
        if marker in _REFUSED_FRAMES or marker == _DAC:
            kind = _REFUSED_FRAMES.get(marker, "arithmetic-coded")
            raise ImageDecodeError(f"The JPEG is {kind}, which is not supported. Save it as a baseline JPEG.")
        if marker in _HUFFMAN_FRAMES:
            if frame is not None:
                raise ImageDecodeError("The JPEG has two frame headers. Send the camera's frame unchanged.")
            frame = _Frame(marker, body)
        elif marker == _APP1 and body.startswith(b"Exif\x00\x00"):
            orientation = _orientation(body)
        elif marker == _DHT:
            tables.define(body)
        elif marker == _SOS:
            if frame is None:
                raise ImageDecodeError("The JPEG has no frame header. Send the camera's frame unchanged.")
            frame.add_scan(body)
            match = _NEXT_MARKER.search(data, end)
            if match is None:
                raise _cut(f"its end marker is missing after {len(data):,} bytes")
            if has_hole(data, end, match.start(), tables.zeros_are_coefficients(body)):
                raise damaged()
            end = match.start()
        if _is_needed(marker, body):
            kept.append(data[at:end])
        position = end
    else:
        raise ImageDecodeError(
            f"The JPEG has more than {MAX_SEGMENTS:,} segments. Send the camera's frame unchanged."
        )
    if frame is None or frame.scans == 0:
        raise ImageDecodeError("The JPEG holds no picture. Send the camera's frame unchanged.")
    if not frame.is_complete:
        raise _cut("some of its scans are missing")
    kept.append(b"\xff\xd9")
    return JpegHeader(
        width=frame.width,
        height=frame.height,
        components=len(frame.missing_bits),
        progressive=frame.progressive,
        scans=frame.scans,
        orientation=orientation,
        stream=b"".join(kept),
    )


def _start(data: bytes) -> int:
    """Offset of SOI. Blank bytes before it (a stray line end of a multipart stream) are harmless."""
    lead = data[:64]
    start = len(lead) - len(lead.lstrip(b"\x00\r\n "))
    if data.startswith(b"\xff\xd8", start):
        return start
    for magic, name in _OTHER_FORMATS:
        if data.startswith(magic, start):
            raise ImageDecodeError(f"The image is {name}, not a JPEG. Send the bytes of one JPEG.")
    raise ImageDecodeError(
        "The image is not a JPEG: it does not start with FF D8. Send the bytes of one JPEG."
    )


def _marker_at(data: bytes, position: int) -> tuple[int, int]:
    """The marker at `position` and the offset of its FF; fill bytes before it are skipped."""
    fill = _FILL.match(data, position)
    at = fill.end() if fill else position
    if at + 2 > len(data):
        raise _cut(f"its end marker is missing after {len(data):,} bytes")
    if data[at] != 0xFF or data[at + 1] == 0:
        raise ImageDecodeError(
            f"The JPEG is damaged at byte {position:,}. Send the camera's frame unchanged."
        )
    return data[at + 1], at


def _is_needed(marker: int, body: bytes) -> bool:
    """Whether the decoder needs the segment. Of the metadata only what tells the colour space is."""
    if marker == _APP0:
        return body.startswith(b"JFIF\x00\x01")
    if marker == _APP14:
        return body.startswith(b"Adobe") and len(body) >= 12 and body[11] <= 2
    return not (_APP0 <= marker <= 0xEF or marker == _COM)


def _orientation(body: bytes) -> int:
    """EXIF orientation, 1..8, from the first directory of an APP1 segment; 1 where it makes no sense."""
    tiff = body[6:]
    order: Literal["little", "big"] = "little" if tiff.startswith(b"II") else "big"
    directory = int.from_bytes(tiff[4:8], order)
    entries = int.from_bytes(tiff[directory : directory + 2], order)
    for at in range(directory + 2, min(directory + 2 + 12 * entries, len(tiff) - 11), 12):
        if int.from_bytes(tiff[at : at + 2], order) == _ORIENTATION_TAG:
            value = int.from_bytes(tiff[at + 8 : at + 10], order)
            return value if 1 <= value <= 8 else 1
    return 1


def damaged() -> ImageDecodeError:
    """The refusal of a picture whose coded data are not as an encoder wrote them."""
    return ImageDecodeError(
        "The JPEG is damaged: a part of its picture data is missing or overwritten. "
        "Send the camera's frame unchanged."
    )


def _cut(how: str) -> ImageDecodeError:
    return ImageDecodeError(
        f"The JPEG was cut off: {how}. Send the whole frame, and check that the upload was not interrupted."
    )
