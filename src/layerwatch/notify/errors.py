"""What can be wrong with a request to this room. The messages may be shown to the user."""

from __future__ import annotations


class NotifyError(Exception):
    """Base class for errors of notifications. field: of the form, where one is at fault."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotPossible(NotifyError):
    """The request cannot be granted."""


class NotFound(NotifyError):
    """No such channel or delivery in this account."""
