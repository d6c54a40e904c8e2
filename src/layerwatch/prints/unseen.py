"""Prints that are not seen, and prints that ended: found by looking, since no call reports them.

A print is not seen while its pictures show nothing to judge (dark, blocked, frozen, …), or while none come
although the printer reported with the last one that it had not finished. Where the printer reports nothing,
silence is the usual end of a print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.contexts.answer import Answer
from layerwatch.contexts.repository import inspected_since
from layerwatch.notify import EventKind
from layerwatch.notify.repository import subscribed_accounts
from layerwatch.prints.alarms import PrintAlarms
from layerwatch.prints.models import PrintWatchRow
from layerwatch.prints.progress import PrintProgress
from layerwatch.storage import Database
from layerwatch.storage.locks import take_turns
from layerwatch.vision.evidence import Condition

ENDED_AFTER = timedelta(minutes=15)
"""A print without a picture for this long has ended: the longest interval is 5 minutes."""

UNSEEN_FOR = timedelta(minutes=5)
"""A print that is not seen for this long is reported."""

LOOKED_BACK = timedelta(minutes=15)
"""For how long after its end a print is reported, by a server that was down meanwhile."""

PERIOD_S = 30.0
"""Seconds of print time between two looks."""

NEARLY_DONE = 0.98
"""Progress, 0..1, from which on silence is taken as the end."""

_WHY = {
    Condition.DARK: "It is too dark to see",
    Condition.OVEREXPOSED: "It is too bright to see",
    Condition.BLURRED: "The camera is out of focus",
    Condition.BLOCKED: "The view is blocked",
    Condition.FROZEN: "The picture is frozen",
    Condition.MOVED: "The camera was moved",
    Condition.NO_PRINT: "No print is in view",
}
_SILENT = "No picture comes"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A print as its last picture left it. why: what keeps it from being seen; empty if nothing."""

    id: str
    account_id: int
    inspected_at: datetime
    why: str
    ended: bool


@dataclass(frozen=True, slots=True)
class PrintWatch:
    """Finds prints that are not seen or ended, for the accounts that want to be notified of it."""

    database: Database
    alarms: PrintAlarms

    def look(self, now: datetime) -> None:
        """Announce what is new, once, on whichever node looks first."""
        with self.database.read() as session:
            changed = bool(_changes(session, now))
        if changed:
            self.database.transact(lambda session: self._note(session, now))

    def _note(self, session: Session, now: datetime) -> None:
        take_turns(session, "print watch")
        for one, row in _changes(session, now):
            if one is None:
                session.delete(row)
                continue
            if one.ended and not row.ended:
                self.alarms.announce(
                    session,
                    EventKind.ENDED,
                    one.id,
                    one.account_id,
                    now,
                    {"last_picture": _iso(one.inspected_at)},
                )
            if _is_due(one, row, now):
                facts = {"why": one.why, "since": _iso(row.unseen_since or now)}
                self.alarms.announce(session, EventKind.NOT_SEEN, one.id, one.account_id, now, facts)
                row.unseen_reported = True
            if not one.why:
                row.unseen_since, row.unseen_reported = None, False
            elif row.unseen_since is None:
                row.unseen_since = one.inspected_at
            row.inspected_at, row.ended = one.inspected_at, one.ended
            session.add(row)


def _changes(session: Session, now: datetime) -> list[tuple[_Seen | None, PrintWatchRow]]:
    """The prints of which something is new, each with its row, and the rows of prints that are gone."""
    accounts = subscribed_accounts(session, EventKind.NOT_SEEN.value, EventKind.ENDED.value)
    seen = {one.id: one for one in _recent(session, accounts, now)} if accounts else {}
    rows = {row.context_id: row for row in session.scalars(select(PrintWatchRow))}
    changes: list[tuple[_Seen | None, PrintWatchRow]] = [
        (None, row) for context_id, row in rows.items() if context_id not in seen
    ]
    for one in seen.values():
        row = rows.get(one.id)
        if row is None:
            if one.why or one.ended:
                changes.append(
                    (
                        one,
                        PrintWatchRow(
                            context_id=one.id,
                            account_id=one.account_id,
                            inspected_at=one.inspected_at,
                            unseen_since=None,
                            unseen_reported=False,
                            ended=False,
                        ),
                    )
                )
        elif (
            one.ended != row.ended
            or bool(one.why) != (row.unseen_since is not None)
            or _is_due(one, row, now)
        ):
            changes.append((one, row))
    return changes


def _is_due(one: _Seen, row: PrintWatchRow, now: datetime) -> bool:
    """Whether it is to be reported now that a print is not seen."""
    if one.ended or not one.why or row.unseen_since is None or row.unseen_reported:
        return False
    return now - row.unseen_since >= UNSEEN_FOR


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _recent(session: Session, accounts: Sequence[int], now: datetime) -> list[_Seen]:
    """The accounts' prints that are live, or ended a short while ago."""
    found = inspected_since(session, accounts, now - ENDED_AFTER - LOOKED_BACK, now)
    return [
        _Seen(
            row.id,
            row.account_id,
            row.inspected_at,
            _why_unseen(row.answer, row.progress, now - row.inspected_at, row.interval_ms),
            now - row.inspected_at > ENDED_AFTER,
        )
        for row in found
    ]


def _why_unseen(answer: str, progress: str | None, silent: timedelta, interval_ms: int) -> str:
    condition = Answer.from_json(answer).condition
    if condition != Condition.OK.value:
        return _WHY.get(Condition(condition), "The picture cannot be judged")
    done = PrintProgress.from_json(progress).progress
    printing = done is not None and done < NEARLY_DONE
    return _SILENT if printing and silent > 2 * timedelta(milliseconds=interval_ms) else ""
