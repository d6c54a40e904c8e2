"""Whether a visit comes from the owner of a single-user machine, and what they have entered.

Only such an owner may have the server connect to addresses of the local network. Every condition must hold:

- `layerwatch serve` runs as one process, on the embedded database, and may run a watcher beside it;
- no one else can sign in: sign-up is closed, there is no OpenID Connect provider, no payment provider, no
  public URL, no trust in the Host header, and one account, the installation's own;
- the visitor is the operator and an owner of that account, at this machine or in a private network, and came
  through no proxy.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from layerwatch.config import Settings
from layerwatch.console.visit import Visit
from layerwatch.identity.repository import first_accounts
from layerwatch.identity.roles import Role
from layerwatch.identity.service import LOCAL
from layerwatch.services import Services
from layerwatch_watcher.setup.found import FoundPrinter
from layerwatch_watcher.watching.check import Finding

PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"],
    )
)
DRAFT_S = 30 * 60
MAX_DRAFTS = 8


def is_own_machine(visit: Visit) -> bool:
    """Whether all of the above holds."""
    proxied = any(header in visit.request.headers for header in PROXY_HEADERS)
    near = not proxied and is_near(visit.visitor.address)
    return near and _serves_nobody_else(visit.services) and _is_its_owner(visit)


def _serves_nobody_else(services: Services) -> bool:
    settings: Settings = services.settings
    return (
        services.own_watcher is not None
        and services.peers is None
        and services.database.is_sqlite
        and settings.sign_up == "closed"
        and not settings.oidc_issuer
        and settings.payments == "manual"
        and not settings.public_url
        and not settings.trust_host_header
    )


def _is_its_owner(visit: Visit) -> bool:
    me = visit.signed
    if me is None or not me.operator or me.role is not Role.OWNER:
        return False
    with visit.services.database.read() as session:
        accounts = first_accounts(session, 2)
        return [(one.id, one.name, one.price_book) for one in accounts] == [(me.account_id, LOCAL, LOCAL)]


def is_near(host: str) -> bool:
    """Whether an address is this machine's own, or one of a private network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or any(
        address.version == network.version and address in network for network in _PRIVATE
    )


@dataclass
class Draft:
    """What one owner has entered and tried. values: of the watcher's file.

    found, searched: what a search found, and what it could not search; None before one.
    fields: of the form, without secrets.
    findings: of the last trial; good if none of them failed.  picture: what the camera gave.
    condition: whether the picture is fit to judge a print by, in words.
    """

    found: list[FoundPrinter] = field(default_factory=list)
    searched: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    findings: list[Finding] = field(default_factory=list)
    picture: bytes = b""
    condition: str = ""
    at: float = field(default_factory=time.monotonic)

    @property
    def good(self) -> bool:
        """Whether it can be watched."""
        return bool(self.values) and all(finding.ok is not False for finding in self.findings)

    @property
    def notifies(self) -> bool:
        """Whether there is a channel for messages."""
        return "notify" in self.values


class Drafts:
    """The drafts of the sessions of this process. Used from the threads of the pages."""

    def __init__(self) -> None:
        self._drafts: OrderedDict[str, Draft] = OrderedDict()
        self._lock = threading.Lock()
        self.trying = threading.Lock()
        """Held while something is tried: one trial at a time."""

    def of(self, session: str) -> Draft:
        """The draft of a session, empty if it has none."""
        with self._lock:
            draft = self._drafts.get(session)
            return draft if draft is not None and time.monotonic() - draft.at < DRAFT_S else Draft()

    def keep(self, session: str, draft: Draft) -> None:
        """Put a draft in the place of the session's last one."""
        with self._lock:
            self._drafts[session] = draft
            self._drafts.move_to_end(session)
            while len(self._drafts) > MAX_DRAFTS:
                self._drafts.popitem(last=False)

    def forget(self, session: str) -> None:
        """The session has no draft any more."""
        with self._lock:
            self._drafts.pop(session, None)
