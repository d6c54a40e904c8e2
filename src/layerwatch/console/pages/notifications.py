"""Notification channels: where an account's events are sent, and what came of each."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from layerwatch.billing.alerts import remove_channel
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import BASE, SECRET_COOKIE, Visit
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked
from layerwatch.identity.roles import Role, members_of
from layerwatch.notify import apprise_service, channels, repository
from layerwatch.notify.channels import ChannelKind
from layerwatch.notify.errors import NotPossible
from layerwatch.notify.events import EVENT_NAMES, SUBSCRIBABLE, EventKind
from layerwatch.notify.models import ChannelRow, DeliveryRow

pages = Pages()

SHOWN_DELIVERIES = 50

KIND_NAMES = {
    ChannelKind.WEBHOOK: marked("Webhook"),
    ChannelKind.MAIL: marked("E-mail"),
    ChannelKind.APPRISE: marked("ntfy, Telegram, Discord, …"),
}


@pages.get("/notifications", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """The account's channels."""
    with visit.services.database.read() as session:
        rows = repository.channels_of(session, visit.account_id)
        newest = repository.newest_of_each(session, [row.id for row in rows])
        listed = [{**_channel(row, _owns(visit)), "last": _delivery(newest.get(row.id))} for row in rows]
        addresses = _member_addresses(session, visit)
    return visit.page(
        "notifications.html",
        channels=listed,
        owns=_owns(visit),
        kinds=[
            (kind.value, _(name))
            for kind, name in KIND_NAMES.items()
            if kind is not ChannelKind.APPRISE or apprise_service.is_installed()
        ],
        events=[(kind.value, EVENT_NAMES[kind]) for kind in SUBSCRIBABLE],
        chosen=_events_sent(visit) if visit.problem else {EventKind.WARNING, EventKind.PAUSE_SUGGESTED},
        addresses=addresses,
        apprise=apprise_service.is_installed(),
        most=channels.MAX_CHANNELS,
    )


@pages.post("/notifications", Needs.OWNER, show)
def add(visit: Visit) -> Response:
    """Add a channel; a webhook's secret is shown this once."""
    visit.need_verified()
    kind = visit.form.get("kind", "")
    if kind not in list(ChannelKind):
        raise NotPossible(_("Choose how to be notified."), "kind")
    with visit.services.database.write() as session:
        address = visit.form.get("address", "").strip()
        if kind == ChannelKind.MAIL:
            address = address.lower()
            if address not in _member_addresses(session, visit):
                raise NotPossible(_("Mail goes to verified addresses of this account's members."), "address")
        channel = channels.add_channel(
            session,
            visit.account_id,
            kind=ChannelKind(kind),
            name=visit.form.get("name", ""),
            address=address,
            events=_events_sent(visit),
            now=visit.now,
            private=visit.services.settings.webhooks_private,
        )
        visit.note(session, "notification channel added", f"{channel.id} {channel.kind} {channel.name}")
    path = f"/notifications/{channel.id}"
    response = visit.go(path, "channel-added")
    return visit.show_once(response, path, channel.secret) if channel.secret else response


@pages.get("/notifications/{channel_id}", Needs.READ_ONLY)
def detail(visit: Visit) -> Response:
    """One channel with its settings and its log."""
    with visit.services.database.read() as session:
        row = channels.find_channel(session, visit.account_id, visit.number("channel_id"))
        log = [_delivery(one) for one in repository.log_of(session, row.id, SHOWN_DELIVERIES)]
        channel = _channel(row, _owns(visit))
    changing = visit.problem and visit.problem.action == f"/notifications/{channel['id']}"
    response = visit.page(
        "notification_channel.html",
        channel=channel,
        log=log,
        waiting=any(one and one["state"] == "waiting" for one in log),
        owns=_owns(visit),
        events=[(kind.value, EVENT_NAMES[kind]) for kind in SUBSCRIBABLE],
        chosen=_events_sent(visit) if changing else channel["events"],
        secret=visit.shown_once(),
        overlap_h=int(channels.SECRET_OVERLAP.total_seconds() // 3600),
        now=visit.now,
    )
    response.delete_cookie(SECRET_COOKIE, path=f"{BASE}/notifications/{channel['id']}")
    return response


@pages.post("/notifications/{channel_id}", Needs.OWNER, detail)
def change(visit: Visit) -> Response:
    """Rename a channel and choose its events."""
    with visit.services.database.write() as session:
        row = _found(session, visit)
        channels.change_channel(row, name=visit.form.get("name", ""), events=_events_sent(visit))
        visit.note(session, "notification channel changed", f"{row.id} {row.name}")
    return visit.go(f"/notifications/{row.id}", "saved")


@pages.post("/notifications/{channel_id}/pause", Needs.OWNER, detail)
def pause(visit: Visit) -> Response:
    """Stop sending to a channel, or start again."""
    on = visit.form.get("paused") == "on"
    with visit.services.database.write() as session:
        row = _found(session, visit)
        row.paused_at = visit.now if on else None
        visit.note(session, "notification channel paused" if on else "notification channel resumed", row.name)
    return visit.go(f"/notifications/{row.id}", "saved")


@pages.post("/notifications/{channel_id}/test", Needs.OWNER, detail)
def test(visit: Visit) -> Response:
    """Send a test message."""
    with visit.services.database.write() as session:
        row = _found(session, visit)
        channels.send_test(session, row, visit.now)
    return visit.go(f"/notifications/{row.id}", "test-sent")


@pages.post("/notifications/{channel_id}/secret", Needs.OWNER, detail)
def replace_secret(visit: Visit) -> Response:
    """Give a webhook a new secret; it is shown this once."""
    with visit.services.database.write() as session:
        row = _found(session, visit)
        secret = channels.replace_secret(row, visit.now)
        visit.note(session, "webhook secret replaced", f"{row.id} {row.name}")
    path = f"/notifications/{row.id}"
    return visit.show_once(visit.go(path), path, secret)


@pages.post("/notifications/{channel_id}/remove", Needs.OWNER, detail)
def remove(visit: Visit) -> Response:
    """Delete a channel and its log."""
    with visit.services.database.write() as session:
        row = _found(session, visit)
        remove_channel(session, row)
        visit.note(session, "notification channel removed", f"{row.id} {row.name}")
    return visit.go("/notifications", "channel-removed")


@pages.post("/notifications/{channel_id}/resend/{delivery_id}", Needs.OWNER, detail)
def resend(visit: Visit) -> Response:
    """Send an event once more."""
    with visit.services.database.write() as session:
        delivery = channels.resend(session, visit.account_id, visit.number("delivery_id"), visit.now)
    return visit.go(f"/notifications/{delivery.channel_id}", "resent")


def _found(session: Any, visit: Visit) -> ChannelRow:
    return channels.find_channel(session, visit.account_id, visit.number("channel_id"))


def _owns(visit: Visit) -> bool:
    return visit.me.role is Role.OWNER


def _events_sent(visit: Visit) -> set[str]:
    """The kinds of events whose boxes are ticked in the form."""
    return {name.removeprefix("event:") for name in visit.form if name.startswith("event:")}


def _member_addresses(session: Any, visit: Visit) -> list[str]:
    """Where mail may go: the account's verified members, and the user who is signed in."""
    found = [user.email for user, _ in members_of(session, visit.account_id) if user.verified_at]
    if visit.me.verified and visit.me.email not in found:
        found.append(visit.me.email)
    return found


def _channel(row: ChannelRow, whole: bool) -> dict[str, Any]:
    """A channel for its page. whole: with all of a webhook's address, which may have a secret in it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "kind_name": KIND_NAMES[ChannelKind(row.kind)],
        "name": row.name,
        "address": _shown_address(row, whole),
        "events": set(row.events.split()),
        "paused_at": row.paused_at,
        "has_secret": row.secret is not None,
        "old_secret_until": row.old_secret_until,
        "legacy": row.legacy_signature,
    }


def _shown_address(row: ChannelRow, whole: bool) -> str:
    if row.kind == ChannelKind.APPRISE:
        return apprise_service.shown(row.address)
    if row.kind == ChannelKind.MAIL or whole:
        return row.address
    parts = urlsplit(row.address)
    return f"{parts.scheme}://{parts.hostname}/…"


def _delivery(row: DeliveryRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    if row.delivered_at is not None:
        state = "delivered"
    else:
        state = "failed" if row.due_at is None else "retrying" if row.error else "waiting"
    return {
        "id": row.id,
        "event": row.event,
        "event_id": row.event_id,
        "title": row.title,
        "body": json.dumps(json.loads(row.body), indent=2, ensure_ascii=False),
        "created_at": row.created_at,
        "tried_at": row.tried_at,
        "due_at": row.due_at,
        "attempts": row.attempts,
        "status": row.status,
        "error": row.error,
        "ms": row.ms,
        "state": state,
    }
