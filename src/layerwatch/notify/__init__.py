"""Notify: signed webhooks out, to addresses customers give, never into our own network unless allowed."""

from layerwatch.notify.webhooks import WebhookError, Webhooks, signature

__all__ = ["WebhookError", "Webhooks", "signature"]
