"""A web server on this machine that keeps what it is posted, and answers with `status`."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Posts:
    """got: (headers in lower case, body) of each post so far.  status: of the next answers."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.arrived = threading.Event()
        posts = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                posts.arrived.set()
                self.send_response(posts.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def taking_posts() -> Iterator[Posts]:
    """A receiver for the length of the block."""
    posts = Posts()
    try:
        yield posts
    finally:
        posts.close()
