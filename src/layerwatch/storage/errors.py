"""Storage's own errors; all others are SQLAlchemy's (IntegrityError, for example).

StorageError
├── StorageUnavailable   the database cannot be reached, is full, read-only or too busy: try again later
│   └── OutcomeUnknown   the connection was lost while it committed: the work may or may not have happened
└── ObjectMissing        there is no object of that name
"""

from __future__ import annotations

from layerwatch.core.errors import UserError


class StorageError(UserError):
    """Base of storage's own errors."""


class StorageUnavailable(StorageError):
    """The database did not take or give the data just now. Nothing was committed, or it is not known."""


class OutcomeUnknown(StorageUnavailable):
    """The commit was sent and never confirmed. Doing the work another way could do it twice."""


class ObjectMissing(StorageError):
    """The object store has no object of that name."""
