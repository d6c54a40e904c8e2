"""A region in its own network namespace, behind a router that can stop passing packets on.

    clients, database ── veth ── router's namespace ── veth ── region's namespace

While it is cut both ends keep their links and routes, and packets are lost without a word, as when something
between two places fails. Linux, iproute2 and root are needed; everything is gone when the block ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

LAST = 63
"""Of the numbers that a region may have."""

FORWARD = "/proc/sys/net/ipv4/ip_forward"


@dataclass(frozen=True)
class Region:
    """name: of the namespace.  address: of the region in it.  outside: of this side's end, as it sees it."""

    name: str
    address: str
    outside: str
    router: str

    @property
    def inside(self) -> list[str]:
        """What goes before a command that is to run in it."""
        return ["ip", "netns", "exec", self.name]

    def cut(self) -> None:
        """Nothing comes through from now on."""
        _in(self.router, "sh", "-c", f"echo 0 > {FORWARD}")

    def heal(self) -> None:
        """Everything comes through again."""
        _in(self.router, "sh", "-c", f"echo 1 > {FORWARD}")


def possible() -> bool:
    """Whether this process may make namespaces, links and routes. Containers, root or not, often may not."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with region(LAST):
            return True
    except (subprocess.CalledProcessError, OSError):
        return False


@contextmanager
def region(number: int) -> Iterator[Region]:
    """number: 0 to `LAST`, another one for each region of this process."""
    name, router = f"lw-{os.getpid()}-{number}", f"lw-{os.getpid()}-{number}-r"
    here, there = f"lw{os.getpid() % 100_000}h{number}", f"lw{os.getpid() % 100_000}n{number}"
    net = f"10.201.{(os.getpid() * 64 + number) % 256}"
    with ExitStack() as stack:
        for each in (name, router):
            _ip("netns", "add", each)
            stack.callback(_ip, "netns", "del", each)
        # The veth ends go with the namespaces in which their peers are.
        _ip("link", "add", here, "type", "veth", "peer", "name", "out", "netns", router)
        _ip("-n", router, "link", "add", "in", "type", "veth", "peer", "name", there, "netns", name)
        _up(None, here, f"{net}.1/30")
        _up(router, "out", f"{net}.2/30")
        _up(router, "in", f"{net}.5/30")
        _up(name, there, f"{net}.6/30")
        _up(name, "lo", None)
        _ip("route", "add", f"{net}.4/30", "via", f"{net}.2")
        _ip("-n", name, "route", "add", "default", "via", f"{net}.5")
        made = Region(name, f"{net}.6", f"{net}.1", router)
        made.heal()
        yield made


def _up(namespace: str | None, link: str, address: str | None) -> None:
    where = ("-n", namespace) if namespace else ()
    if address:
        _ip(*where, "addr", "add", address, "dev", link)
    _ip(*where, "link", "set", link, "up")


def _in(namespace: str, *command: str) -> None:
    _ip("netns", "exec", namespace, *command)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
