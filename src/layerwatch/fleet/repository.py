"""Nodes, regions and draining in the database: every statement on their tables is here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from layerwatch.fleet.models import Draining, Node
from layerwatch.fleet.region_router import Region
from layerwatch.pacing.call_schedule import Prints

OFFLINE_GRACE = timedelta(seconds=20)
"""A node without a heartbeat for this long gets no new prints: three heartbeats and a slow database."""

FORGET_AFTER = timedelta(hours=1)
"""A node without a heartbeat for this long is forgotten."""


def write_heartbeat(session: Session, *, id: str, seen_at: datetime, **values: Any) -> None:
    """Write a node's heartbeat, in place of its last one. values: the other columns of `Node`."""
    session.merge(Node(id=id, seen_at=seen_at, **values))
    session.execute(delete(Node).where(Node.seen_at < seen_at - FORGET_AFTER))
    session.flush()


def find_node(session: Session, node_id: str) -> Node | None:
    """A node's last heartbeat."""
    return session.get(Node, node_id)


def seen(session: Session, node_id: str, at: datetime) -> None:
    """Set when a node was seen last."""
    session.execute(update(Node).where(Node.id == node_id).values(seen_at=at))


def nodes(session: Session) -> Sequence[Node]:
    """Every node, by region."""
    return session.scalars(select(Node).order_by(Node.region, Node.id)).all()


def has_region(session: Session, region: str) -> bool:
    """Whether there is a node in a region."""
    return session.scalar(select(Node.id).where(Node.region == region).limit(1)) is not None


def forget_region(session: Session, region: str) -> None:
    """Delete a region's nodes, and that it is draining."""
    session.execute(delete(Node).where(Node.region == region))
    session.execute(delete(Draining).where(Draining.region == region))


def regions(session: Session, now: datetime) -> list[Region]:
    """Every region with a recent heartbeat, with its nodes' sums, ordered by name."""
    draining = draining_since(session)
    rows = session.execute(
        select(
            Node.region,
            func.max(Node.url),
            func.sum(Node.capacity),
            func.sum(Node.healthy),
            func.sum(Node.suspicious),
        )
        .where(Node.seen_at > now - OFFLINE_GRACE)
        .group_by(Node.region)
        .order_by(Node.region)
    )
    return [
        Region(name, url, float(capacity), Prints(float(healthy), float(suspicious)), name in draining)
        for name, url, capacity, healthy, suspicious in rows
    ]


def draining_since(session: Session) -> dict[str, datetime]:
    """The regions that get no new prints, and since when."""
    return {row.region: row.since for row in session.scalars(select(Draining))}


def drain(session: Session, region: str, now: datetime) -> None:
    """Give the region no new prints. It goes on serving those that it has."""
    session.merge(Draining(region=region, since=now))


def undrain(session: Session, region: str) -> bool:
    """Give the region new prints again; False if it was not draining."""
    row = session.get(Draining, region)
    if row is not None:
        session.delete(row)
    return row is not None
