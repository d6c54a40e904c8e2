"""The base of every error whose message is written for the person who met it."""

from __future__ import annotations

from typing import ClassVar


class UserError(Exception):
    """Something the user can mend; the command line prints the message alone, without a traceback."""

    exit_status: ClassVar[int] = 1
    """Of the command that it ends: 1 for what failed, 2 for what cannot be tried as it was asked for."""
