"""Telling people: events, and the channels that carry them."""

from layerwatch_watcher.notifications.dispatch import Dispatcher, QuietHours
from layerwatch_watcher.notifications.event import URGENT, USUAL, Channel, DeliveryError, Event, Kind

__all__ = ["URGENT", "USUAL", "Channel", "DeliveryError", "Dispatcher", "Event", "Kind", "QuietHours"]
