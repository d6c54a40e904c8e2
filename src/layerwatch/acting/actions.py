"""What people ask a connected watcher to do to a print: asked once, handed out once, done when it says so."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from layerwatch.acting.models import ConnectedPrintRow, PrintActionRow
from layerwatch.core.languages import gettext as _

KINDS = ("pause", "resume", "cancel")
LIFETIME = timedelta(seconds=60)
"""An action that no watcher has taken by then never is."""
REPORT_WITHIN = timedelta(seconds=180)
"""A watcher reads the printer's state for about a minute before it gives up an action."""
CONNECTED_FOR = timedelta(seconds=60)
"""After its last request a watcher counts as connected. It asks at least every 25 s."""
SHOWN_FOR = timedelta(minutes=10)
"""An action's outcome stays on the card."""
KEPT_FOR, FORGOTTEN_AFTER = timedelta(days=14), timedelta(hours=1)
"""How long rows of actions and of connected prints stay; the audit log keeps what was done."""
MAX_REASON = 200


class ActionRefused(Exception):
    """The action cannot be asked for now; `str()` says why."""


class Stage(Enum):
    """Where an action is."""

    ASKED = "asked"
    DONE = "done"
    NOT_DONE = "not done"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class PrintAction:
    """The newest action on a print. kind: one of `KINDS`.  reason: why it was not done."""

    id: str
    kind: str
    who: str
    asked_at: datetime
    stage: Stage
    reason: str = ""

    @property
    def words(self) -> str:
        """What became of it."""
        kind = _(self.kind.capitalize())
        if self.stage is Stage.ASKED:
            return _("%(action)s asked", action=kind)
        if self.stage is Stage.DONE:
            return _("%(action)s done", action=kind)
        if self.stage is Stage.NOT_DONE:
            return _("%(action)s: not done: %(reason)s", action=kind, reason=self.reason)
        return _("%(action)s: whether it was done is not known: %(reason)s", action=kind, reason=self.reason)


@dataclass(frozen=True, slots=True)
class Connection:
    """What can be done to a print now. can: some of `KINDS`; empty without a connected watcher."""

    can: tuple[str, ...] = ()
    action: PrintAction | None = None

    @property
    def under_way(self) -> bool:
        """Whether something was asked for of which the outcome is not known yet."""
        return self.action is not None and self.action.stage is Stage.ASKED

    @property
    def key(self) -> str:
        """Changes whenever what is shown of it does."""
        action = f"{self.action.id[:8]}{self.action.stage.value}" if self.action is not None else ""
        return f"{','.join(self.can)}{action}"


NOT_CONNECTED = Connection()


@dataclass(frozen=True, slots=True)
class Order:
    """An action as a watcher gets it. expires_in: seconds for which it may still be begun."""

    id: str
    context_id: str
    kind: str
    who: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a watcher says of an action that it got. reason: why it was not done."""

    id: str
    done: bool
    reason: str = ""


def connect(session: Session, account_id: int, prints: Mapping[str, Collection[str]], now: datetime) -> None:
    """A watcher of the account watches these prints: what it can do to each, by context id."""
    session.execute(delete(ConnectedPrintRow).where(ConnectedPrintRow.seen_at < now - FORGOTTEN_AFTER))
    rows = select(ConnectedPrintRow).where(ConnectedPrintRow.context_id.in_(prints))
    known = {row.context_id: row for row in session.scalars(rows)}
    for context_id, can in prints.items():
        words = ",".join(kind for kind in KINDS if kind in can)
        if context_id in known:
            known[context_id].seen_at, known[context_id].can = now, words
        else:
            session.add(
                ConnectedPrintRow(context_id=context_id, account_id=account_id, seen_at=now, can=words)
            )


def waiting(session: Session, account_id: int, context_ids: Collection[str], now: datetime) -> bool:
    """Whether an action waits for one of these prints."""
    return session.scalar(_open(account_id, context_ids, now).limit(1)) is not None


def take(session: Session, account_id: int, context_ids: Collection[str], now: datetime) -> Sequence[Order]:
    """The actions that wait for these prints, which nobody gets a second time."""
    orders = []
    for row in session.scalars(_open(account_id, context_ids, now).order_by(PrintActionRow.asked_at)).all():
        taken = session.execute(
            update(PrintActionRow)
            .where(PrintActionRow.id == row.id, PrintActionRow.taken_at.is_(None))
            .values(taken_at=now)
        )
        if taken.rowcount:  # type: ignore[attr-defined]
            left = (row.expires_at - now).total_seconds()
            orders.append(Order(row.id, row.context_id, row.kind, row.who, left))
    return orders


def finish(
    session: Session, account_id: int, reports: Collection[Report], now: datetime
) -> list[PrintActionRow]:
    """Note what became of actions of the account; those that this ends. A report is taken once."""
    ended = []
    for report in reports:
        row = session.get(PrintActionRow, report.id)
        if row is None or row.account_id != account_id or row.taken_at is None or row.ended_at is not None:
            continue
        row.ended_at, row.done, row.reason = now, report.done, report.reason[:MAX_REASON]
        ended.append(row)
    return ended


def ask(
    session: Session, account_id: int, context_id: str, kind: str, who: str, now: datetime
) -> PrintAction:
    """Ask the print's watcher for an action. Raises ActionRefused."""
    connection = connections(session, account_id, now, [context_id]).get(context_id, NOT_CONNECTED)
    if not connection.can:
        raise ActionRefused(_("No watcher is connected to this print's printer."))
    if connection.under_way:
        raise ActionRefused(_("Another action is still under way."))
    if kind not in connection.can:
        raise ActionRefused(_("The printer cannot do this now: %(kind)s.", kind=_(kind)))
    session.execute(delete(PrintActionRow).where(PrintActionRow.asked_at < now - KEPT_FOR))
    row = PrintActionRow(
        id=secrets.token_hex(16),
        context_id=context_id,
        account_id=account_id,
        kind=kind,
        who=who,
        asked_at=now,
        expires_at=now + LIFETIME,
        taken_at=None,
        ended_at=None,
        done=None,
    )
    session.add(row)
    return PrintAction(row.id, kind, who, now, Stage.ASKED)


def connections(
    session: Session, account_id: int, now: datetime, context_ids: Collection[str] | None = None
) -> dict[str, Connection]:
    """The actions available for the account's prints, and the results of recent ones, by context id."""
    connected = select(ConnectedPrintRow).where(
        ConnectedPrintRow.account_id == account_id, ConnectedPrintRow.seen_at >= now - CONNECTED_FOR
    )
    asked = (
        select(PrintActionRow)
        .where(PrintActionRow.account_id == account_id, PrintActionRow.asked_at >= now - SHOWN_FOR)
        .order_by(PrintActionRow.asked_at)
    )
    if context_ids is not None:
        connected = connected.where(ConnectedPrintRow.context_id.in_(context_ids))
        asked = asked.where(PrintActionRow.context_id.in_(context_ids))
    can = {row.context_id: tuple(filter(None, row.can.split(","))) for row in session.scalars(connected)}
    newest = {row.context_id: _action(row, now) for row in session.scalars(asked)}
    return {name: Connection(can.get(name, ()), newest.get(name)) for name in can.keys() | newest.keys()}


def _open(account_id: int, context_ids: Collection[str], now: datetime) -> Select[Any]:
    return select(PrintActionRow).where(
        PrintActionRow.account_id == account_id,
        PrintActionRow.context_id.in_(context_ids),
        PrintActionRow.asked_at >= now - LIFETIME,
        PrintActionRow.expires_at > now,
        PrintActionRow.taken_at.is_(None),
    )


def _action(row: PrintActionRow, now: datetime) -> PrintAction:
    stage, reason = Stage.ASKED, row.reason
    if row.ended_at is not None:
        stage = Stage.DONE if row.done else Stage.NOT_DONE
        reason = reason if not row.done else ""
    elif row.taken_at is None and now >= row.expires_at:
        stage, reason = Stage.NOT_DONE, f"the watcher did not ask for it within {LIFETIME.seconds} s"
    elif row.taken_at is not None and now >= row.taken_at + REPORT_WITHIN:
        stage, reason = Stage.UNKNOWN, "the watcher took it and has reported nothing; look at the printer"
    return PrintAction(row.id, row.kind, row.who, row.asked_at, stage, reason)
