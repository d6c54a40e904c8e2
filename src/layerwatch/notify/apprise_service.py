"""A hundred services through Apprise (extra `layerwatch[apprise]`): ntfy, Telegram, Discord, …

Apprise connects by itself, past the checks of `core.egress`. So customers of a public installation get the
services whose hosts are fixed, and no options; in one's own house everything that goes over the network.
"""

from __future__ import annotations

import importlib.util
import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

from layerwatch.core.languages import gettext as _
from layerwatch.notify.errors import NotPossible
from layerwatch.notify.webhooks import DeliveryFailed

CONNECT_TIMEOUT_S = 4.0
READ_TIMEOUT_S = 6.0

PUBLIC_SERVICES = {
    "discord": "Discord",
    "ntfy": "ntfy.sh",
    "pbul": "Pushbullet",
    "pover": "Pushover",
    "slack": "Slack",
    "tgram": "Telegram",
}
"""Schemes whose messages go to one public host, whatever the rest of the address says."""

_LOCAL_SCHEMES = {"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
"""They act on this machine."""

_OPTIONS = {
    "auth",
    "format",
    "from",
    "mode",
    "name",
    "priority",
    "silent",
    "smtp",
    "sound",
    "tags",
    "to",
    "user",
}
"""Options that a private installation takes. Others read files (`template`) or change timeouts."""


def is_installed() -> bool:
    """Whether Apprise is there."""
    return importlib.util.find_spec("apprise") is not None


def check(address: str, *, private: bool) -> str:
    """The name of the service of an address. Raises NotPossible for one that may not be used."""
    return str(_service(address, private=private).service_name)


def shown(address: str) -> str:
    """An address without its secrets, for people."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest[:2]}…"


def send(address: str, title: str, text: str, *, alarm: bool, private: bool) -> None:
    """Send a message. Raises DeliveryFailed."""
    import apprise

    try:
        service = _service(address, private=private)
    except NotPossible as error:
        raise DeliveryFailed(str(error)) from error
    kind = apprise.NotifyType.WARNING if alarm else apprise.NotifyType.INFO
    try:
        sent = service.notify(body=text, title=title, notify_type=kind)
    except TypeError as error:  # what Apprise's services raise for a message that they cannot carry
        raise DeliveryFailed("the service cannot carry this message") from error
    if not sent:
        raise DeliveryFailed("the service did not accept the message")


def _service(address: str, *, private: bool) -> Any:
    if not is_installed():
        raise NotPossible(_("Apprise is not installed on this server (layerwatch[apprise])."), "address")
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs addresses, which have secrets inside
    parts = urlsplit(address)
    scheme, options = parts.scheme.lower(), set(parse_qs(parts.query, keep_blank_values=True))
    if not private and scheme not in PUBLIC_SERVICES:
        services = ", ".join(sorted(f"{name} ({scheme}://)" for scheme, name in PUBLIC_SERVICES.items()))
        raise NotPossible(_("This server sends to %(services)s.", services=services), "address")
    if scheme in _LOCAL_SCHEMES:
        raise NotPossible(_("This service acts on the server itself."), "address")
    refused = sorted(options - _OPTIONS if private else options)
    if refused:
        raise NotPossible(
            _("The option “%(refused)s” of the address is not supported.", refused=refused[0][:40]), "address"
        )
    asset = apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY, async_mode=False)
    service: Any = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if service is None:
        raise NotPossible(_("Apprise does not understand this address."), "address")
    if not private and scheme == "ntfy" and str(service.mode) != "cloud":
        raise NotPossible(_("This server sends to ntfy.sh only: ntfy://TOPIC"), "address")
    service.socket_connect_timeout, service.socket_read_timeout = CONNECT_TIMEOUT_S, READ_TIMEOUT_S
    return service
