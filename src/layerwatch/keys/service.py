"""Making, listing and disabling API keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity.errors import BadInput, NotFound
from layerwatch.identity.roles import lock_account
from layerwatch.identity.service import valid_name
from layerwatch.keys import repository
from layerwatch.keys.key_format import digest, new_key_text
from layerwatch.keys.models import ApiKey
from layerwatch.notify import AccountEvent, EventKind, announce

DIALECTS = (1, 2)
MAX_KEYS_PER_ACCOUNT = 200
PREFIX_SHOWN = 8


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. `text` is shown to its owner once and kept nowhere."""

    text: str
    row: ApiKey


def create_key(
    session: Session,
    account_id: int,
    *,
    name: str,
    pepper: bytes,
    now: datetime,
    test: bool = False,
    dialect: int = 1,
    addresses: Sequence[str] = (),
) -> NewKey:
    """Make a key for an account.

    addresses: networks it may be used from (`192.0.2.0/24`, `2001:db8::1`); none: from anywhere.
    Raises NotFound for an unknown account, BadInput for a value that cannot be taken.
    """
    name = valid_name(name, _("The key's name"))
    if dialect not in DIALECTS:
        raise BadInput(_("The dialect is 1 (interval as a number) or 2 (interval as an object)."))
    lock_account(session, account_id)  # two keys made at once must not both be the last one allowed
    if repository.number_in_use(session, account_id) >= MAX_KEYS_PER_ACCOUNT:
        raise BadInput(
            _("An account has at most %(most)s keys in use. Disable one first.", most=MAX_KEYS_PER_ACCOUNT)
        )
    text = new_key_text(test=test)
    row = repository.add(
        session,
        account_id=account_id,
        digest=digest(text, pepper),
        prefix=text[:PREFIX_SHOWN],
        last_four=text[-4:],
        name=name,
        test=test,
        dialect=dialect,
        addresses=" ".join(parse_networks(addresses)),
        created_at=now,
    )
    return NewKey(text, row)


def rename_key(session: Session, account_id: int, key_id: int, name: str) -> ApiKey:
    """Give a key another name. Raises NotFound, and BadInput for a name that cannot be taken."""
    key = key_of(session, account_id, key_id)
    key.name = valid_name(name, "The key's name")
    return key


def rotate_key(
    session: Session, account_id: int, key_id: int, *, overlap: timedelta, pepper: bytes, now: datetime
) -> NewKey:
    """Make a key like another one, which counts as disabled once the overlap is over.

    Raises NotFound, and BadInput for a key that is disabled or is being replaced already.
    """
    old = key_of(session, account_id, key_id)
    if old.disabled_at is not None or old.retires_at is not None:
        raise BadInput(_("This key is disabled, or is being replaced already."))
    new = create_key(
        session,
        account_id,
        name=old.name,
        pepper=pepper,
        now=now,
        test=old.test,
        dialect=old.dialect,
        addresses=old.addresses.split(),
    )
    old.retires_at = now + overlap
    if not overlap:
        disable_key(session, account_id, old.id, now)
    return new


def retire_keys(session: Session, now: datetime) -> int:
    """Disable the replaced keys whose overlap is over; how many."""
    due = repository.to_retire(session, now, limit=100)
    for key in due:
        disable_key(session, key.account_id, key.id, now)
    return len(due)


def list_keys(session: Session, account_id: int) -> list[ApiKey]:
    """The account's keys, the disabled ones too, newest first."""
    return list(repository.keys_of(session, account_id))


def find_key(session: Session, account_id: int, which: str) -> ApiKey:
    """One key of an account by its number, its whole name, or its last four characters.

    Raises NotFound, or BadInput when several fit.
    """
    keys = list_keys(session, account_id)
    exact = [key for key in keys if str(key.id) == which]
    fitting = exact or [key for key in keys if which in (key.name, key.last_four)]
    if not fitting:
        raise NotFound(_("No key “%(which)s” in this account.", which=which))
    if len(fitting) > 1:
        raise BadInput(
            _(
                "%(fitting)s keys fit “%(which)s”. Use the number of the one meant.",
                fitting=len(fitting),
                which=which,
            )
        )
    return fitting[0]


def disable_key(session: Session, account_id: int, key_id: int, now: datetime) -> ApiKey:
    """Disable a key permanently; it stops working everywhere within 5 s. Repeating it changes nothing."""
    key = key_of(session, account_id, key_id)
    if key.disabled_at is None:
        key.disabled_at = now
        announce(session, _disabled(key, now))
    return key


def key_of(session: Session, account_id: int, key_id: int) -> ApiKey:
    """A key of the account. Raises NotFound."""
    key = repository.key_or_none(session, key_id)
    if key is None or key.account_id != account_id:
        raise NotFound(_("No key %(key_id)s in this account.", key_id=key_id))
    return key


def _disabled(key: ApiKey, now: datetime) -> AccountEvent:
    shown = f"{key.prefix}…{key.last_four}"
    return AccountEvent(
        EventKind.KEY_DISABLED,
        key.account_id,
        now,
        f"Layerwatch: the API key “{key.name}” was disabled",
        f"The API key “{key.name}” ({shown}) was disabled. Calls with it get 403 OE_API_KEY_DISABLED.",
        {"key": key.id, "name": key.name, "shown": shown, "test": key.test},
    )


def parse_networks(addresses: Sequence[str]) -> list[str]:
    """Each address or network in its usual form. Raises BadInput for what is none."""
    networks = []
    for text in addresses:
        try:
            networks.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError as wrong:
            raise BadInput(
                _("“%(text)s” is no IP address or network (such as 192.0.2.0/24).", text=text),
                field="addresses",
            ) from wrong
    return networks
