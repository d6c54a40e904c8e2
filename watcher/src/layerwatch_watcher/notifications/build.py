"""Channels from their configuration tables; the library of each is imported only if it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, FrozenSet, Optional

import httpx

from layerwatch_watcher.notifications.event import DEFAULT_KINDS, Channel, Kind
from layerwatch_watcher.notifications.webhook import Webhook
from layerwatch_watcher.watching.toml_reader import ConfigError, Table

if TYPE_CHECKING:
    from layerwatch_watcher.notifications.homeassistant import HomeAssistant
    from layerwatch_watcher.watching.settings import NotifySettings


def build_channels(settings: NotifySettings, client: httpx.AsyncClient) -> list[Channel]:
    """The webhooks and Apprise channels. Raises ConfigError."""
    channels: list[Channel] = []
    for table in settings.webhooks:
        try:
            channel: Channel = Webhook(
                table.secret("url"),
                secret=table.secret("secret", ""),
                kinds=_kinds(table),
                picture=table.flag("picture", True),
                client=client,
            )
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f"{table.place}: {error}") from None
        table.done()
        channels.append(channel)
    return [*channels, *map(_apprise, settings.apprise)]


def _apprise(table: Table) -> Channel:
    try:
        from layerwatch_watcher.notifications.apprise import AppriseChannel
    except ImportError:
        raise ConfigError(f"{table.place}: needs Apprise: pip install 'layerwatch-watcher'") from None
    url, kinds, picture = table.secret("url"), _kinds(table), table.flag("picture", True)
    table.done()
    try:
        return AppriseChannel(url, kinds=kinds, picture=picture)
    except ValueError as error:
        raise ConfigError(f"{table.place}.url: {error}") from None


def build_homeassistant(table: Optional[Table]) -> Optional[HomeAssistant]:
    """The link to Home Assistant's broker, if there is one. Raises ConfigError."""
    if table is None:
        return None
    try:
        from layerwatch_watcher.notifications.homeassistant import HomeAssistant
    except ImportError:
        raise ConfigError(f"{table.place}: needs aiomqtt: pip install 'layerwatch-watcher'") from None
    tls = table.flag("tls", False)
    made = HomeAssistant(
        table.text("host"),
        table.whole("port", 8883 if tls else 1883, 1, 65535),
        user=table.text("user", ""),
        password=table.secret("password", ""),
        tls=tls,
        prefix=table.text("prefix", "homeassistant"),
        base=table.text("base", "layerwatch"),
    )
    table.done()
    return made


def _kinds(table: Table) -> FrozenSet[Kind]:
    words = table.texts("events", tuple(kind.value for kind in DEFAULT_KINDS))
    for word in words:
        if word not in Kind._value2member_map_:
            raise table.wrong("events", f"{word!r} is not one of {', '.join(kind.value for kind in Kind)}")
    # Events held during quiet hours arrive as a digest, which every channel with events therefore receives.
    return frozenset(Kind(word) for word in words) | {Kind.DIGEST}
