"""Telling people: events, and the channels that carry them."""

from layerwatch_watcher.notifications.dispatch import Dispatcher, QuietHours
from layerwatch_watcher.notifications.event import (
    DEFAULT_KINDS,
    URGENT_KINDS,
    Channel,
    DeliveryError,
    Event,
    Kind,
)

__all__ = [
    "DEFAULT_KINDS",
    "URGENT_KINDS",
    "Channel",
    "DeliveryError",
    "Dispatcher",
    "Event",
    "Kind",
    "QuietHours",
]
