"""Notify: mail, and an account's notification channels (webhooks, mail, Apprise).

`announce(session, event)` puts an event on its way in the transaction of what happened;
`NotificationDelivery` sends it.
"""

from layerwatch.notify.delivery import NotificationDelivery
from layerwatch.notify.errors import NotifyError
from layerwatch.notify.events import AccountEvent, EventKind
from layerwatch.notify.outbox import announce
from layerwatch.notify.webhooks import DeliveryFailed, Webhooks

__all__ = [
    "AccountEvent",
    "DeliveryFailed",
    "EventKind",
    "NotificationDelivery",
    "NotifyError",
    "Webhooks",
    "announce",
]
