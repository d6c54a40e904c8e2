"""The base of every error whose message is written for the person who met it."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend; the command line prints the message alone, without a traceback."""
