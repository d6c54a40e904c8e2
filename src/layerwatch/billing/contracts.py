"""Which price book holds for an account in a month: its own contract, else the one it is on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.billing.models import Contract
from layerwatch.billing.month import Month
from layerwatch.billing.pricebook import PriceBook, PriceBooks


def book_for(
    session: Session, account_id: int, price_book: str, month: Month, books: PriceBooks
) -> PriceBook:
    """The tiers for one account and month. Raises PriceBookError when its book has no version for it."""
    contract = session.scalars(
        select(Contract)
        .where(Contract.account_id == account_id, Contract.effective <= str(month))
        .order_by(Contract.effective.desc(), Contract.id.desc())
        .limit(1)
    ).first()
    if contract is not None:
        return PriceBook.parse(json.loads(contract.tiers))
    return books.book(price_book, month)


def contracts_of(session: Session, account_id: int) -> list[tuple[str, str]]:
    """The account's own prices: first month and note of each, newest first."""
    found = session.execute(
        select(Contract.effective, Contract.note)
        .where(Contract.account_id == account_id)
        .order_by(Contract.effective.desc(), Contract.id.desc())
    )
    return [(row.effective, row.note) for row in found]


def newest_contracts(session: Session, limit: int) -> Sequence[Contract]:
    """Accounts' own prices, the newest first."""
    return session.scalars(select(Contract).order_by(Contract.id.desc()).limit(limit)).all()


def agree(
    session: Session, account_id: int, effective: Month, book: PriceBook, note: str, now: datetime
) -> Contract:
    """Give an account its own price book from a month on; the latest contract for a month counts."""
    contract = Contract(
        account_id=account_id,
        effective=str(effective),
        tiers=json.dumps(book.as_json()),
        note=note.strip()[:500],
        created_at=now,
    )
    session.add(contract)
    session.flush()
    return contract
