"""A printer that was found in the local network."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

MAX_FOUND = 64
"""Printers taken from one search; a network that announces more is not listened to any further."""
MAX_NAME = 64


@dataclass(frozen=True)
class FoundPrinter:
    """One printer that answered.

    host: its address in the local network.  port: 0 where the kind has a usual one.
    name, serial, model: as it announced them; empty where it did not.
    """

    kind: str
    host: str
    port: int = 0
    name: str = ""
    serial: str = ""
    model: str = ""

    def table(self) -> dict[str, Any]:
        """Its [[printer]] table, without the login."""
        named: dict[str, Any] = {"name": self.name or self.host, "kind": self.kind}
        if self.kind == "bambu":
            known = {"serial": self.serial, "model": self.model}
            return {**named, "host": self.host, **{key: value for key, value in known.items() if value}}
        return {**named, "url": f"http://{self.host}:{self.port}"}

    def line(self) -> str:
        """For a person to choose from."""
        where = f"{self.host}:{self.port}" if self.port else self.host
        return f"{self.kind} at {where}" + (f" ({self.name})" if self.name else "")


def is_local(host: str, *, loopback: bool = False) -> bool:
    """Whether an announced address is one of a local network. loopback: this machine's own count, too."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if address.is_loopback:
        return loopback
    return address.is_private and not address.is_multicast and not address.is_unspecified


def clean_name(text: str) -> str:
    """An announced name without what a terminal or a file could take for more than text."""
    return "".join(character for character in text if character.isprintable())[:MAX_NAME].strip()
