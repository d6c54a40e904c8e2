"""The one file of a multipart upload, read as a bounded stream.

At most one picture and `MAX_OVERHEAD_BYTES` bytes around it are held, whatever is sent. Of the other fields
only those that were asked for are kept.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from layerwatch.api.errors import ApiError, bad_args
from layerwatch.api.request_parsing import PROGRESS_FIELDS, print_progress
from layerwatch.prints import PrintProgress
from layerwatch.vision import MAX_PICTURE_BYTES

MAX_OVERHEAD_BYTES = 64 * 1024
"""Bytes of everything around it: boundaries, part headers, other fields. A real client needs under 1 KB."""

MAX_PARTS = 32
MAX_PART_HEADERS = 16
MAX_HEADER_BYTES = 4096
MAX_CAMERA = 64
"""Characters of the optional field `camera`."""

FIELDS = ("camera", *PROGRESS_FIELDS)
MAX_FIELD_BYTES = 1024
"""Bytes kept of each; more than any of them may have."""

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it logs what clients send


@dataclass(frozen=True, slots=True)
class Upload:
    """What a Process call carries."""

    jpeg: bytes
    camera: str
    progress: PrintProgress = field(default_factory=PrintProgress)


@dataclass(frozen=True, slots=True)
class UploadedForm:
    """A multipart body's one file, and the text of the fields that were asked for, where they were sent."""

    jpeg: bytes
    fields: Mapping[str, str]


async def read_upload(
    content_type: str | None,
    content_length: str | None,
    stream: AsyncIterator[bytes],
    hold: Callable[[int], None],
) -> Upload:
    """Read what a Process call carries. Raises as `read_form`, and for fields that cannot be used."""
    form = await read_form(content_type, content_length, stream, hold, FIELDS)
    camera = form.fields.get("camera", "").strip()
    if len(camera) > MAX_CAMERA or not camera.isprintable():
        raise bad_args(f"The field camera takes up to {MAX_CAMERA} printable characters.")
    return Upload(form.jpeg, camera, print_progress(form.fields))


async def read_form(
    content_type: str | None,
    content_length: str | None,
    stream: AsyncIterator[bytes],
    hold: Callable[[int], None],
    names: Collection[str],
) -> UploadedForm:
    """Read the one file out of a multipart body, and those of its fields that have these names.

    hold: called with each chunk's size before it is buffered; may refuse by raising.
    Raises ApiError for what is not one file of at most `MAX_PICTURE_BYTES` bytes in a whole multipart body.
    """
    form = _Form(_boundary(content_type), hold, names)
    if (
        content_length is not None
        and content_length.isdecimal()
        and int(content_length) > MAX_PICTURE_BYTES + MAX_OVERHEAD_BYTES
    ):
        raise _too_large()
    async for chunk in stream:
        form.feed(chunk)
    return form.close()


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise bad_args("Send the picture as multipart/form-data with one file.")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise bad_args("The Content-Type multipart/form-data needs a boundary of 1 to 70 characters.")
    return boundary


def _too_large() -> ApiError:
    return bad_args(f"The picture is larger than {MAX_PICTURE_BYTES:,} bytes. Send a smaller JPEG.", 413)


class _Form:
    """Takes a multipart body in pieces and keeps its one file."""

    def __init__(self, boundary: bytes, hold: Callable[[int], None], names: Collection[str]) -> None:
        self._hold = hold
        self._names = names
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
            max_header_count=MAX_PART_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )
        self._received = 0
        self._begun = False
        self._parts = 0
        self._whole = False
        self._file: list[bytes] | None = None
        self._file_bytes = 0
        self._fields: dict[str, bytearray] = {}
        self._start_part()

    def feed(self, chunk: bytes) -> None:
        """Take the next piece. Raises ApiError as soon as it is known that the body will not do."""
        self._received += len(chunk)
        if not self._begun:
            # Line ends before the first boundary are skipped here: the parser then skips all up to a hyphen,
            # or not, depending on where the chunk ends.
            chunk = chunk.lstrip(b"\r\n")
            self._begun = bool(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise bad_args("The multipart body is malformed.") from error
        if self._file_bytes > MAX_PICTURE_BYTES or self._received - self._file_bytes > MAX_OVERHEAD_BYTES:
            raise _too_large()

    def close(self) -> UploadedForm:
        """The file and the fields, once the body has ended."""
        if not self._whole:
            raise bad_args("The multipart body ends before its closing boundary.")
        if self._file is None:
            raise bad_args("The body holds no file. Send one JPEG as a file of multipart/form-data.")
        values = {name: value.decode("utf-8", "replace") for name, value in self._fields.items()}
        return UploadedForm(b"".join(self._file), values)

    def _start_part(self) -> None:
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field = b""
        self._kept: bytearray | None = None
        self._is_file = False
        self._undecided = False
        self._empty_choice = False

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise bad_args(f"The multipart body has more than {MAX_PARTS} parts.")
        self._start_part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        """Decide what the part is. A file's field name, file name and type may all be absent."""
        _, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        self._field = options.get(b"name", b"")
        kind, _ = parse_options_header(self._headers.get(b"content-type", b"").decode("latin-1"))
        named = b"filename" in options or b"filename*" in options
        if named and not options.get(b"filename", b"?"):
            # What a browser sends for a file input in which nothing was chosen, unless data follow.
            self._undecided = self._empty_choice = True
        elif named or not self._field or (kind and kind != b"text/plain"):
            self._open_file()
        else:
            self._undecided = True
        self._keep_field()

    def _keep_field(self) -> None:
        """Begin to keep a field's value. Raises ApiError for one that is sent twice."""
        name = self._field.decode("latin-1")
        if name not in self._names or self._is_file:
            return
        if name in self._fields:
            raise bad_args(f"The field {name} is sent twice.")
        self._kept = self._fields[name] = bytearray()

    def _open_file(self) -> None:
        if self._file is not None:
            raise bad_args("The body holds more than one file. Send exactly one.")
        self._is_file, self._undecided = True, False
        self._file = []

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._undecided and end > start:
            # 0xFF begins every JPEG and no text in any usual encoding.
            if self._empty_choice or data[start] == 0xFF:
                self._open_file()
            self._undecided = False
        if self._is_file:
            assert self._file is not None
            self._file_bytes += end - start
            if self._file_bytes > MAX_PICTURE_BYTES:
                raise _too_large()
            self._hold(end - start)
            self._file.append(data[start:end])
        elif self._kept is not None:
            self._kept += data[start : min(end, start + MAX_FIELD_BYTES - len(self._kept))]

    def _part_end(self) -> None:
        self._undecided = False

    def _end(self) -> None:
        self._whole = True
