"""The account's settings: who pays, limits, alerts."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.responses import Response

from layerwatch.billing.alerts import add_alert, list_alerts, remove_alert
from layerwatch.billing.contracts import book_for
from layerwatch.billing.money import MICRO_PER_DOLLAR, dollars
from layerwatch.billing.month import Month
from layerwatch.billing.taxes import is_country
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit, from_field, required
from layerwatch.core.languages import gettext as _
from layerwatch.core.text import is_unsafe
from layerwatch.identity import BadInput, invitations, mail_limits
from layerwatch.identity.repository import get_account
from layerwatch.identity.roles import Role, members_of
from layerwatch.identity.service import account_name, email_address
from layerwatch.learning.deletion import withdraw_consent

pages = Pages()


@pages.get("/settings", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """Name, limits, alerts and members."""
    with visit.services.database.read() as session:
        account = get_account(session, visit.account_id)
        terms = visit.services.terms
        book = book_for(session, account.id, account.price_book, Month.of(visit.clock), terms.books)
        values: dict[str, Any] = {
            "name": account.name,
            "billing_email": account.billing_email or "",
            "billing_name": account.billing_name or "",
            "billing_address": account.billing_address or "",
            "billing_country": account.billing_country or "",
            "tax_id": account.tax_id or "",
            "free_only": account.free_only,
            "shares_pictures": account.share_pictures,
            "feedback_days": visit.services.settings.feedback_days,
            "payment_ready": account.payment_ready,
            "provider": visit.services.payments.name,
            "blocked_from": account.blocked_from,
            "free_calls": book.free_calls,
            "spend_limit": account.spend_limit,
            "limit_calls": None if account.spend_limit is None else book.calls_within(account.spend_limit),
            "alerts": [
                {
                    "id": alert.id,
                    "micro_dollars": alert.micro_dollars,
                    "email": alert.email,
                    "channel": alert.channel_id,
                }
                for alert in list_alerts(session, account.id)
            ],
            "members": [(user.id, user.email, role) for user, role in members_of(session, account.id)],
            "invitations": [
                {"id": one.id, "email": one.email, "role": one.role, "expires_at": one.expires_at}
                for one in invitations.pending(session, account.id, visit.now)
            ],
        }
    return visit.page(
        "settings.html",
        roles=[(role.value, _(role.value)) for role in Role],
        owns=_owns(visit),
        now=visit.clock,
        **values,
    )


@pages.post("/settings", Needs.OWNER, show)
def save(visit: Visit) -> Response:
    """Name and the address that invoices go to."""
    name = account_name(required(visit, "name", _("The name")))
    email = visit.form.get("billing_email", "").strip()
    with from_field("billing_email"):
        billing_email = email_address(email) if email else None
    with visit.services.database.write() as session:
        account = get_account(session, visit.account_id)
        account.name = name
        account.billing_email = billing_email
        visit.note(session, "account changed", name)
    return visit.go("/settings", "saved")


@pages.post("/settings/buyer", Needs.OWNER, show)
def save_buyer(visit: Visit) -> Response:
    """Whom invoices are addressed to, for those that are issued from now on."""
    form = visit.form
    with visit.services.database.write() as session:
        account = get_account(session, visit.account_id)
        account.billing_name = _line(form.get("billing_name", ""), "billing_name", _("The name"), 120)
        account.billing_address = _address(form.get("billing_address", ""))
        account.billing_country = _country(form.get("billing_country", ""))
        account.tax_id = _line(form.get("tax_id", ""), "tax_id", _("The tax id"), 40)
        visit.note(session, "buyer on invoices changed", account.billing_name or account.name)
    return visit.go("/settings", "saved")


@pages.post("/settings/free-only", Needs.OWNER, show)
def free_only(visit: Visit) -> Response:
    """Switch free usage only on, or off if payment is set up."""
    on = visit.form.get("free_only") == "on"
    with visit.services.database.write() as session:
        account = get_account(session, visit.account_id)
        if not on and not account.payment_ready and not visit.me.operator:
            raise BadInput(_("Set up payment first. Until then this account is on free usage only."))
        account.free_only = on
        visit.note(session, "free usage only", "on" if on else "off")
    return visit.go("/settings", "saved")


@pages.post("/settings/share-pictures", Needs.OWNER, show)
def share_pictures(visit: Visit) -> Response:
    """Give the account's consent to keep pictures for training; or withdraw it, and delete them."""
    on = visit.form.get("share") == "on"
    with visit.services.database.write() as session:
        if on:
            get_account(session, visit.account_id).share_pictures = True
        visit.note(session, "pictures for training", "on" if on else "off, all deleted")
    if not on:
        services = visit.services
        withdraw_consent(services.database, services.examples, visit.account_id, visit.clock)
    return visit.go("/settings", "saved")


@pages.post("/settings/spend-limit", Needs.OWNER, show)
def spend_limit(visit: Visit) -> Response:
    """Set, change or remove the limit on what a month may cost."""
    text = visit.form.get("limit", "").strip()
    with from_field("limit"):
        amount = _micro_dollars(text) if text else None
    with visit.services.database.write() as session:
        account = get_account(session, visit.account_id)
        account.spend_limit, account.spend_limit_reported = amount, None
        visit.note(session, "spend limit", "none" if amount is None else dollars(amount))
    return visit.go("/settings", "saved")


@pages.post("/settings/payment", Needs.OWNER, show)
def set_up_payment(visit: Visit) -> Response:
    """Lead to the provider's page where a payment method is left."""
    visit.need_verified()
    back = f"{visit.base_url}/console/settings?said=payment-soon"
    url = visit.services.payments.set_up_url(visit.services.database, visit.account_id, back)
    return visit.page("payment.html", url=url)


@pages.post("/alerts", Needs.OWNER, show)
def new_alert(visit: Visit) -> Response:
    """Add a spend alert."""
    visit.need_verified()
    email = visit.form.get("email", "").strip()
    with visit.services.database.write() as session:
        if email:
            # An alert can mail at once; making many must not be a way to mail many.
            mail_limits.take(session, email, visit.now, visit.account_id)
        alert = add_alert(
            session,
            visit.account_id,
            _micro_dollars(visit.form.get("dollars", "")),
            email=email_address(email) if email else None,
        )
        visit.note(session, "spend alert added", dollars(alert.micro_dollars))
    return visit.go("/settings", "alert-added")


@pages.post("/alerts/{alert_id}/remove", Needs.OWNER, show)
def drop_alert(visit: Visit) -> Response:
    """Remove a spend alert."""
    with visit.services.database.write() as session:
        remove_alert(session, visit.account_id, visit.number("alert_id"))
        visit.note(session, "spend alert removed")
    return visit.go("/settings", "alert-removed")


MAX_ADDRESS_LINES = 5


def _line(text: str, field: str, what: str, longest: int) -> str | None:
    """One line of text, or None for an empty one. Raises BadInput."""
    line = " ".join(text.split())
    if len(line) > longest or any(map(is_unsafe, line)):
        raise BadInput(
            _(
                "%(what)s has at most %(longest)s characters, no control characters.",
                what=what,
                longest=longest,
            ),
            field=field,
        )
    return line or None


def _address(text: str) -> str | None:
    lines = [_line(line, "billing_address", _("A line of the address"), 80) for line in text.splitlines()]
    kept = [line for line in lines if line]
    if len(kept) > MAX_ADDRESS_LINES:
        raise BadInput(
            _("An address has at most %(most)s lines.", most=MAX_ADDRESS_LINES),
            field="billing_address",
        )
    return "\n".join(kept) or None


def _country(text: str) -> str | None:
    code = text.strip().upper()
    if code and not is_country(code):
        raise BadInput(_("A country is its two-letter code, such as DE or US."), field="billing_country")
    return code or None


def _owns(visit: Visit) -> bool:
    return visit.me.role is Role.OWNER


def _micro_dollars(text: str) -> int:
    try:
        amount = Decimal(text.strip().removeprefix("$").replace(",", ""))
    except InvalidOperation as wrong:
        raise BadInput(
            _("The amount is a number of dollars, such as 50 or 12.50."), field="dollars"
        ) from wrong
    if not amount.is_finite() or not 0 < amount < 10**9:
        raise BadInput(_("The amount is a number of dollars above zero."), field="dollars")
    return int(amount * MICRO_PER_DOLLAR)
