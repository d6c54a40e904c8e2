"""Storage: one engine, one set of tables, SQLite in a file or PostgreSQL by URL.

A domain declares its tables in `<domain>/models.py` on `Base` and adds one file to
`storage/migrations/versions`. Rules run in a transaction:

    with database.read() as session:                # reads only; never waits for a writer
    with database.write() as session:               # one transaction, committed at the end of the block

    with database.lookups() as connection:          # single rows, each of its own moment, for every call

    database.transact(work, *args)                  # the same, retried on a conflict: work(session, *args)
    await database.read_async(work, *args)          # from async code, in the database's threads
    await database.write_async(work, *args)         # `transact`, likewise

    await gateway.read_async(work, *args)           # the same with a timeout, for what answers a call
    await gateway.write_async(work, *args)

    driver_sql.fetch_row(session, "SELECT … ?", value)      # without SQLAlchemy's share, for every picture
    driver_sql.execute(session, "UPDATE … ?", value)

    claims.run(name, due=…, work=…, done=…)         # work outside of a transaction that one node does once

    objects.put("prints/7/4fk2/000040.jpg", …)      # bytes by name: in a folder, or in an object store

Times are aware UTC `datetime`s in Python and integer microseconds in the tables (`UtcTime`).
Money is integer micro-dollars (`BigInteger`).
"""

from layerwatch.storage.base import Base, RowId, UtcTime, as_number, as_time, is_sqlite
from layerwatch.storage.claims import Claims
from layerwatch.storage.database import Database
from layerwatch.storage.errors import ObjectMissing, OutcomeUnknown, StorageError, StorageUnavailable
from layerwatch.storage.gateway import DatabaseGateway
from layerwatch.storage.object_stores import open_objects
from layerwatch.storage.objects import ObjectStore

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
    "UtcTime",
    "as_number",
    "as_time",
    "is_sqlite",
    "open_objects",
]
