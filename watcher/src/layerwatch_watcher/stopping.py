"""Ending in good order when the system asks for it, on every event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import Any, Callable


def on_termination(stop: Callable[[], Any]) -> None:
    """Call `stop` in the running event loop at SIGTERM.

    Windows' event loops have no signal handlers; there Python's are used.
    """
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGTERM, stop)
    except NotImplementedError:
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stop))


def on_end_of_input(stop: Callable[[], Any]) -> None:
    """Call `stop` in the running event loop when standard input is closed."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=read, name="end of input", daemon=True).start()
