"""Request framer: h11 and llhttp read alike what it accepts, and so does it however the bytes are split."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import h11
import httptools

from layerwatch.serving.request_framer import RequestFramer
from layerwatch.serving.request_head import FramingError

LLHTTP_METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE")
"""Those of HTTP itself; llhttp refuses methods that it does not know."""


@dataclass
class Request:
    """One request as a parser reports it."""

    method: bytes = b""
    target: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False


class Recorder:
    """Collects the requests of a parser that calls back."""

    parser: RequestFramer | httptools.HttpRequestParser

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def on_message_begin(self) -> None:
        self.requests.append(Request())

    def on_url(self, url: bytes) -> None:
        self.requests[-1].target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.requests[-1].headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.requests[-1].method = self.parser.get_method()

    def on_body(self, body: bytes) -> None:
        self.requests[-1].body += body

    def on_message_complete(self) -> None:
        self.requests[-1].whole = True


def check(data: bytes) -> None:
    """The first byte is the size of the pieces, the rest is what arrives on a connection."""
    if not data:
        return
    sent, size = data[1:], data[0] + 1
    whole, refused = frame(sent, len(sent) or 1)
    assert (whole, refused) == frame(sent, size)
    plain = sent.removeprefix(b"\r\n")  # an empty line before the first request, which h11 does not take
    complete = [request for request in whole if request.whole]
    if not complete:
        return
    _agree(complete, _by_h11(plain))
    for request in complete:
        url = httptools.parse_url(request.target)
        path, _, query = request.target.partition(b"?")
        assert (url.path, url.query or b"") == (path, query), request
    first = complete[0]
    if first.method in LLHTTP_METHODS and not any(name == b"upgrade" for name, _ in first.headers):
        _agree([first], _by_llhttp(plain))


def frame(sent: bytes, size: int) -> tuple[list[Request], bool]:
    """The requests that were framed, and whether the rest was refused."""
    recorder = Recorder()
    framer = recorder.parser = RequestFramer(recorder)
    try:
        for start in range(0, len(sent), size):
            framer.feed_data(sent[start : start + size])
            while framer.complete:
                framer.next_request()
    except FramingError:
        # How much of an unfinished body was handed on before depends on how the bytes were split.
        return [request for request in recorder.requests if request.whole], True
    return recorder.requests, False


def _agree(ours: list[Request], theirs: list[Request]) -> None:
    """theirs may end earlier: after a request that asks to close the connection."""
    assert theirs, ours
    for our, their in zip(ours, theirs, strict=False):
        target = their.target
        if not target.startswith(b"/"):
            rest = target.partition(b"://")[2]
            cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
            target = rest[cut:] if rest[cut : cut + 1] == b"/" else b"/" + rest[cut:]
        assert their.whole, (our, their)
        assert (our.method, our.target, our.body) == (their.method, target, their.body), (our, their)
        assert _comparable(our.headers) == _comparable(their.headers), (our, their)


def _comparable(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]


def _by_h11(sent: bytes) -> list[Request]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(sent) + 1)
    connection.receive_data(sent)
    requests: list[Request] = []
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return requests
        if isinstance(event, h11.Request):
            headers = [(bytes(name), bytes(value)) for name, value in event.headers]
            requests.append(Request(bytes(event.method), bytes(event.target), headers))
        elif isinstance(event, h11.Data):
            requests[-1].body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            requests[-1].whole = True
            connection.send(h11.Response(status_code=200, headers=[(b"content-length", b"0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return requests
            connection.start_next_cycle()
        else:
            return requests


def _by_llhttp(sent: bytes) -> list[Request]:
    recorder = Recorder()
    parser = recorder.parser = httptools.HttpRequestParser(recorder)
    with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
        parser.feed_data(sent)
    return recorder.requests[:1]
