"""Listening sockets: one for one process, or one for each of several on the same port."""

from __future__ import annotations

import socket
import sys

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError with a message that says what to do."""
    listener = _bind(host, port)
    listener.listen(BACKLOG)
    return listener


def listen_for(workers: int, host: str, port: int) -> list[socket.socket]:
    """A listening socket for each worker, all on one port. Raises OSError as `listen` does.

    On Linux each has its own queue, and the kernel gives new connections out evenly (SO_REUSEPORT): if
    workers took them from one queue, the first to wake would get most prints and pace them for the whole
    machine. Elsewhere SO_REUSEPORT does not share out, and all have the same socket.
    """
    if workers == 1:
        return [listen(host, port)]
    if sys.platform != "linux":
        return [listen(host, port)] * workers
    # Without SO_REUSEPORT first: another server on this port must be refused, not joined.
    probe = _bind(host, port)
    port = probe.getsockname()[1]
    probe.close()
    listeners = [_bind(host, port, shared=True) for _ in range(workers)]
    for listener in listeners:
        listener.listen(BACKLOG)
    return listeners


def _bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind((host, port))
        if not shared:
            made.listen(1)  # Linux tells only now that another one listens here
    except OSError as error:
        made.close()
        raise OSError(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}. "
            "Choose another with --port, or see who has it with `ss -ltnp`."
        ) from error
    return made
