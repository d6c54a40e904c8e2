"""Where a request ends and the next one begins. Sans I/O: bytes in, callbacks out.

It takes the place of `httptools.HttpRequestParser` in Uvicorn's protocol and has that class's callbacks and
getters. That one skips the body of a request that offers an upgrade, keeps trailers without limit, and parses
pipelined requests while the first has no answer yet; h11 takes bare LF, folded lines and both length headers.
What this one accepts, both of them accept and read in the same way (`tests/fuzz/targets/request_framer.py`).
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Protocol

from layerwatch.serving.request_head import MAX_HEAD_BYTES, FramingError, RequestHead, parse_head

MAX_CHUNKS = 16 * 1024
"""Chunks of one body: a picture of 6 MiB in chunks of 384 bytes. Clients make them of 1 KiB and more."""

MAX_CHUNK_LINE_BYTES = 256

_NOT_IN_HEAD = re.compile(rb"[^\t\r\n\x20-\x7e\x80-\xff]|(?<!\r)\n|\r(?!\n|\Z)")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,8})(?:;%b(?:=(?:%b|\"[\t\x20!#-\[\]-~]*\"))?)*\r\n" % (_TOKEN, _TOKEN)
)


class RequestHandler(Protocol):
    """What a request is handed to, in this order; `on_header` and `on_body` any number of times."""

    def on_message_begin(self) -> None: ...
    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


class _State(Enum):
    HEAD = auto()
    BODY = auto()
    CHUNK_LINE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    LAST_CHUNK_END = auto()
    COMPLETE = auto()


class RequestFramer:
    """Splits one connection's bytes into requests, one at a time."""

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self._state = _State.HEAD
        self._head: RequestHead | None = None
        self._data = b""
        self._at = 0
        self._checked = 0
        self._left = 0
        self._chunks = 0

    @property
    def complete(self) -> bool:
        """Whether a request has ended and `next_request` was not called yet."""
        return self._state is _State.COMPLETE

    @property
    def ahead(self) -> bool:
        """Whether bytes of later requests are being kept."""
        return self.complete and self._at < len(self._data)

    @property
    def begun(self) -> bool:
        """Whether there are bytes of a request that has not ended."""
        if self._state is _State.HEAD:
            return self._at < len(self._data)
        return self._state is not _State.COMPLETE

    def feed_data(self, data: bytes) -> None:
        """Take the next bytes. What follows the end of a request is kept for `next_request`.

        Raises FramingError; the connection is of no use then.
        """
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._checked = max(0, self._checked - self._at)
        self._at = 0
        self._advance()

    def next_request(self) -> None:
        """Go on to the request after one that is complete. Raises FramingError."""
        assert self.complete
        self._state = _State.HEAD
        self._advance()

    def get_method(self) -> bytes:
        """The method of the request whose head came last."""
        assert self._head is not None
        return self._head.method

    def get_http_version(self) -> str:
        """1.0 or 1.1."""
        assert self._head is not None
        return self._head.version

    def should_keep_alive(self) -> bool:
        """Whether the connection may carry another request."""
        assert self._head is not None
        return self._head.keep_alive

    def has_body(self) -> bool:
        """Whether its head announces a body."""
        assert self._head is not None
        return self._head.length != 0

    def should_upgrade(self) -> bool:
        """Never: an upgrade is refused or ignored."""
        return False

    def _advance(self) -> None:
        while self._state is not _State.COMPLETE and self._at < len(self._data):
            match self._state:
                case _State.HEAD:
                    going = self._take_head()
                case _State.BODY | _State.CHUNK:
                    going = self._take_body()
                case _State.CHUNK_LINE:
                    going = self._take_chunk_line()
                case _:
                    going = self._take_chunk_end()
            if not going:
                return
        if self._at == len(self._data):
            self._data, self._at = b"", 0

    def _take_head(self) -> bool:
        """Each of these returns whether there may be more to take."""
        data, start = self._data, self._at
        if data.startswith(b"\r\n", start):  # one empty line before a request is allowed (RFC 9112, 2.2)
            start += 2
        end = data.find(b"\r\n\r\n", max(start, self._checked - 3))
        until = len(data) if end < 0 else end
        if until - start > MAX_HEAD_BYTES:
            raise FramingError(f"The request's head is larger than {MAX_HEAD_BYTES:,} bytes")
        # The expression also looks at the byte before, which may be the last one of another request's body.
        bare = data.startswith(b"\n", start)
        if bare or _NOT_IN_HEAD.search(data, max(start, self._checked - 1), until) is not None:
            raise FramingError("The request's head holds a control character or a bare line end")
        self._checked = until
        if end < 0:
            return False
        self._head = head = parse_head(data[start:end])
        self._at, self._checked = end + 4, 0
        self._left, self._chunks = head.length or 0, 0
        self._state = _State.CHUNK_LINE if head.length is None else _State.BODY
        handler = self._handler
        handler.on_message_begin()
        handler.on_url(head.target)
        for name, value in head.headers:
            handler.on_header(name, value)
        handler.on_headers_complete()
        if head.length == 0:
            self._complete()
        return True

    def _take_body(self) -> bool:
        size = min(self._left, len(self._data) - self._at)
        whole = self._at == 0 and size == len(self._data)
        body = self._data if whole else self._data[self._at : self._at + size]
        self._at += size
        self._left -= size
        self._handler.on_body(body)
        if not self._left:
            if self._state is _State.CHUNK:
                self._state = _State.CHUNK_END
            else:
                self._complete()
        return True

    def _take_chunk_line(self) -> bool:
        end = self._data.find(b"\n", self._at, self._at + MAX_CHUNK_LINE_BYTES)
        if end < 0:
            if len(self._data) - self._at >= MAX_CHUNK_LINE_BYTES:
                raise FramingError("The size of a chunk is malformed")
            return False
        matched = _CHUNK_LINE.fullmatch(self._data, self._at, end + 1)
        self._chunks += 1
        if matched is None or self._chunks > MAX_CHUNKS:
            raise FramingError("The size of a chunk is malformed" if matched is None else "Too many chunks")
        self._at = end + 1
        self._left = int(matched[1], 16)
        self._state = _State.CHUNK if self._left else _State.LAST_CHUNK_END
        return True

    def _take_chunk_end(self) -> bool:
        last = self._state is _State.LAST_CHUNK_END
        found = self._data[self._at : self._at + 2]
        if found == b"\r":
            return False
        if found != b"\r\n":
            raise FramingError("Trailers are not supported" if last else "A chunk is longer than its size")
        self._at += 2
        if last:
            self._complete()
        else:
            self._state = _State.CHUNK_LINE
        return True

    def _complete(self) -> None:
        self._state = _State.COMPLETE
        self._handler.on_message_complete()
