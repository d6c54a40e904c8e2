"""Making, finding and changing accounts."""

from __future__ import annotations

import re
from datetime import datetime

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.core.text import InvalidName, clean_name
from layerwatch.identity import repository
from layerwatch.identity.errors import BadInput, NotFound
from layerwatch.identity.models import Account

LOCAL = "local"
"""Name of the account that an installation makes for itself, and of the free price book it is on."""

STANDARD = "standard"

_EMAIL = re.compile(r"[^@\s\x00-\x1f<>\"(),:;\\\[\]]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}")
"""Plain addresses with a dotted domain: nobody can sign up as the user that the installation makes."""


def create_account(
    session: Session,
    name: str,
    now: datetime,
    *,
    price_book: str = STANDARD,
    free_only: bool = False,
    billing_email: str | None = None,
    keep_pictures: bool = False,
    share_pictures: bool = False,
) -> Account:
    """Make an account. Names need not be unique. Raises BadInput for an invalid name or address."""
    return repository.new_account(
        session,
        name=account_name(name),
        price_book=price_book,
        free_only=free_only,
        billing_email=email_address(billing_email) if billing_email else None,
        keep_pictures=keep_pictures,
        share_pictures=share_pictures,
        now=now,
    )


def account_name(text: str) -> str:
    """The name of an account as it is stored. Raises BadInput."""
    return valid_name(text, _("The account's name"))


def valid_name(text: str, what: str) -> str:
    """`clean_name`, its error as BadInput."""
    try:
        return clean_name(text, what)
    except InvalidName as wrong:
        raise BadInput(str(wrong), field="name") from wrong


def email_address(text: str) -> str:
    """An e-mail address as it is stored, in lower case. Raises BadInput for an invalid one."""
    address = text.strip().lower()
    if len(address) > 254 or not _EMAIL.fullmatch(address) or not address.isprintable():
        raise BadInput(_("Invalid e-mail address."), field="email")
    return address


def local_account(session: Session, now: datetime) -> Account:
    """The installation's own account, made if there is none: free without limit, never blocked.

    Its prints' pictures are kept, and so are those behind feedback: they are its operator's own.
    """
    named = repository.accounts_named(session, LOCAL)
    mine = next((account for account in named if account.price_book == LOCAL), None)
    return mine or create_account(
        session, LOCAL, now, price_book=LOCAL, keep_pictures=True, share_pictures=True
    )


def find_account(session: Session, which: str) -> Account:
    """An account by its number or whole name. Raises NotFound, or BadInput when several fit."""
    if which.isdecimal():
        account = repository.account_or_none(session, int(which))
        if account is not None:
            return account
    fitting = repository.accounts_named(session, which)
    if not fitting:
        raise NotFound(_("There is no account “%(which)s”.", which=which))
    if len(fitting) > 1:
        raise BadInput(
            _(
                "%(fitting)s accounts are named “%(which)s”. Use the number of the one meant.",
                fitting=len(fitting),
                which=which,
            )
        )
    return fitting[0]


def list_accounts(session: Session) -> list[Account]:
    """Every account, oldest first."""
    return list(repository.all_accounts(session))
