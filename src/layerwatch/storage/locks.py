"""Transactions that wait for each other by name."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from layerwatch.storage.base import is_sqlite


def take_turns(session: Session, name: str) -> None:
    """Wait until no other transaction that named the same is under way, and hold up later ones.

    For rules that count rows before they add one. SQLite has one writer at a time anyway.
    """
    if not is_sqlite(session):
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
