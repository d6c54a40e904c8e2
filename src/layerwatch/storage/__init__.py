"""Storage: one engine, one set of tables, SQLite in a file or PostgreSQL by URL.

A domain declares its tables in `<domain>/models.py` on `Base` and adds one file to
`storage/migrations/versions`. Rules run in a transaction:

    with database.begin() as session:           # one transaction, committed at the end of the block
        session.add(row)

    database.transact(work)                     # the same, run again on a conflict: work(session) -> T
    database.settle(work)                       # the same for plain SQL: work(transaction) -> T
    await database.run(work)                    # `transact`, from async code, in the database's threads

    with database.read() as session:            # a snapshot, nothing is written; never waits for a writer

    database.peek("SELECT …", value)            # one row by the shortest way, for what each call reads

    claims.run(name, due=…, work=…, done=…)     # work outside of a transaction that one node does once

    objects.put("prints/7/4fk2/000040.jpg", …)  # bytes by name: in a folder, or in an object store

Times are aware UTC `datetime`s in Python and integer microseconds in the tables (`UtcTime`).
Money is integer micro-dollars (`BigInteger`).
"""

from layerwatch.storage.base import Base, RowId, UtcTime, as_number, as_time
from layerwatch.storage.claims import Claims
from layerwatch.storage.database import Database
from layerwatch.storage.errors import ObjectMissing, OutcomeUnknown, StorageError, StorageUnavailable
from layerwatch.storage.gateway import DatabaseGateway
from layerwatch.storage.objects import ObjectStore, open_objects
from layerwatch.storage.transaction import Transaction

__all__ = [
    "Base",
    "Claims",
    "Database",
    "DatabaseGateway",
    "ObjectMissing",
    "ObjectStore",
    "OutcomeUnknown",
    "RowId",
    "StorageError",
    "StorageUnavailable",
    "Transaction",
    "UtcTime",
    "as_number",
    "as_time",
    "open_objects",
]
