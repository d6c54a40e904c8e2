"""Who is calling: from the text of an API key to a `Caller`, fast, and for a while without a database."""

from __future__ import annotations

import hmac
import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from layerwatch.keys import repository
from layerwatch.keys.errors import AddressNotAllowed, InvalidKey, KeyDisabled, KeyUnavailable
from layerwatch.keys.key_format import digest, is_well_formed
from layerwatch.keys.repository import FoundKey
from layerwatch.storage import Database, StorageError, as_time

CACHE_LIFETIME = timedelta(seconds=2)
"""How long a key counts as it was last read. Disabling, blocking and limits must reach every node
within 5 s, so this plus one slow read has to stay under that."""

OUTAGE_GRACE = timedelta(hours=2)
"""How long a key that was read before stays valid while the database is unavailable. A fleet's outages are
minutes; past this a disabled key could live on for too long."""

DATABASE_RETRY_DELAY = timedelta(seconds=2)
"""After a failed read, how long the database is left alone, so that calls do not queue behind timeouts."""

MAX_CACHED_KEYS = 100_000
"""Keys remembered; the longest unused goes first. About 40 MB when full."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The account and key behind an API call, and what holds for it."""

    account_id: int
    key_id: int
    prefix: str
    """First characters of the key, fit for logs: `prod_Ab3`."""
    test: bool
    dialect: int
    """1 or 2: the form of NextProcessIntervalSec that is pinned to the key."""
    blocked_payment: bool
    free_only: bool
    price_book: str
    spend_limit: int | None = None
    """Micro-dollars that the account may spend in a month; None: no limit."""


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes
    caller: Caller
    disabled: bool
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    read_at: datetime


class KeyAuthenticator:
    """Checks API keys against the database, remembering what it saw.

    database: where keys are kept. pepper: the installation's secret, at least 16 bytes; without it the
    stored hashes reveal nothing. Safe to use from several threads.
    """

    def __init__(self, database: Database, pepper: bytes) -> None:
        if len(pepper) < 16:
            raise ValueError("the key pepper needs at least 16 bytes")
        self._database = database
        self._pepper = pepper
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._lock = threading.Lock()
        self._leave_until: datetime | None = None

    def authenticate(self, key_text: str | None, now: datetime, ip: str | None = None) -> Caller:
        """The caller behind `key_text`. `ip` is the caller's address; None where there is none (CLI, tests).

        Reads the database at most once per key and `CACHE_LIFETIME`. Raises InvalidKey, KeyDisabled,
        AddressNotAllowed, or KeyUnavailable when the key cannot be checked now: never one of the
        former for a fault of ours.
        """
        if not key_text:
            raise InvalidKey("No API key. Send it in the header X-API-Key.")
        if not is_well_formed(key_text):
            raise InvalidKey("This API key is not valid. Check that it was copied whole.")
        mark = digest(key_text, self._pepper)
        known = self._lookup(mark, now)
        # The index found it by its keyed hash, which nobody outside can steer; this makes it certain
        # without letting a comparison's time depend on the key.
        if known is None or not hmac.compare_digest(known.digest, mark):
            raise InvalidKey("This API key is not known.")
        if known.disabled:
            raise KeyDisabled("This API key was disabled. Make a new one in the console.")
        if known.networks and not _inside(ip, known.networks):
            raise AddressNotAllowed(
                "This API key may not be used from this address. Make a key that allows it, "
                "or call from an allowed one."
            )
        return known.caller

    def cached(self, key_text: str | None, now: datetime, ip: str | None = None) -> Caller | None:
        """`authenticate` from memory: the caller if the key was read within `CACHE_LIFETIME` and is valid.

        None means: ask `authenticate`. It never touches the database, so an event loop may call it.
        """
        if not key_text:
            return None
        known = self._known.get(digest(key_text, self._pepper))
        if known is None or known.disabled or not _within(now, known.read_at, CACHE_LIFETIME):
            return None
        return known.caller if not known.networks or _inside(ip, known.networks) else None

    def leave_alone(self, now: datetime) -> None:
        """The database is out of reach: for `DATABASE_RETRY_DELAY` answer from memory without asking it."""
        self._leave_until = now + DATABASE_RETRY_DELAY

    def _lookup(self, mark: bytes, now: datetime) -> _Known | None:
        known = self._known.get(mark)
        if known is not None and _within(now, known.read_at, CACHE_LIFETIME):
            return known
        if self._leave_until is None or not _within(self._leave_until, now, DATABASE_RETRY_DELAY):
            try:
                with self._database.lookups() as connection:
                    row = repository.by_digest(connection, mark)
            except (StorageError, OSError):
                self._leave_until = now + DATABASE_RETRY_DELAY
            else:
                found = None if row is None else _judged(row, now)
                self._leave_until = None
                self._remember(mark, found)
                return found
        if known is not None and _within(now, known.read_at, OUTAGE_GRACE):
            return known
        raise KeyUnavailable("The API key cannot be checked just now. Try again shortly.")

    def _remember(self, mark: bytes, found: _Known | None) -> None:
        with self._lock:
            if found is None:
                self._known.pop(mark, None)
                return
            self._known[mark] = found
            self._known.move_to_end(mark)
            if len(self._known) > MAX_CACHED_KEYS:
                self._known.popitem(last=False)


def _judged(row: FoundKey, now: datetime) -> _Known:
    caller = Caller(
        account_id=row.account_id,
        key_id=row.key_id,
        prefix=row.prefix,
        test=bool(row.test),
        dialect=row.dialect,
        blocked_payment=row.blocked_from is not None and as_time(row.blocked_from) <= now,
        free_only=bool(row.free_only),
        price_book=row.price_book,
        spend_limit=row.spend_limit,
    )
    disabled = row.disabled_at is not None or (row.retires_at is not None and as_time(row.retires_at) <= now)
    networks = tuple(ipaddress.ip_network(network) for network in row.addresses.split())
    return _Known(bytes(row.digest), caller, disabled, networks, now)


def _within(later: datetime, earlier: datetime, span: timedelta) -> bool:
    """Whether `later` is at most `span` after `earlier`; a clock that was set back makes it untrue."""
    return timedelta() <= later - earlier <= span


def _inside(ip: str | None, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    if ip is None:
        return False
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)
