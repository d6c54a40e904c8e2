"""The tables that the addresses of a command line stand for."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from layerwatch_watcher.watching.builders import PRINTERS
from layerwatch_watcher.watching.toml_reader import ConfigError


def printer_table_of(address: str) -> dict[str, Any]:
    """The [[printer]] table that a `--printer` address stands for, such as moonraker://voron.local.

    octoprint://KEY@HOST, moonraker://HOST, prusalink://USER:PASSWORD@HOST, duet://:PASSWORD@HOST,
    bambu://CODE@HOST/SERIAL?model=p1s. `?https=1` for TLS. Raises ConfigError.
    """
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises ValueError for a port that is none
    except ValueError:
        raise ConfigError("--printer: this address has an invalid host or port") from None
    if parts.scheme not in PRINTERS or not parts.hostname:
        raise ConfigError(f"--printer: use the form octoprint://KEY@HOST; kinds are {', '.join(PRINTERS)}")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    table: dict[str, Any] = {"kind": parts.scheme, "name": query.pop("name", parts.hostname)}
    if parts.scheme == "bambu":
        table.update(host=parts.hostname, code=user, serial=parts.path.strip("/"))
        if parts.port:
            table["port"] = parts.port
    else:
        scheme = "https" if query.pop("https", "") else "http"
        if parts.scheme == "moonraker" and not port:
            port = ":7125"
        table["url"] = f"{scheme}://{host}{port}{parts.path.rstrip('/')}"
        if parts.scheme in ("octoprint", "moonraker") and user:
            table["key"] = user
        elif parts.scheme == "prusalink":
            table.update(user=user or "maker", password=password)
        elif parts.scheme == "duet" and password:
            table["password"] = password
    table.update(query)
    return table


def camera_table_of(source: str) -> dict[str, Any]:
    """The `camera` table that a camera's address stands for: http(s), rtsp(s) or /dev/video0."""
    if source.startswith("/dev/video"):
        return {"kind": "usb", "device": source}
    scheme = source.split("://", 1)[0].lower() if "://" in source else ""
    return {"kind": "rtsp" if scheme in ("rtsp", "rtsps") else "http", "url": source}
