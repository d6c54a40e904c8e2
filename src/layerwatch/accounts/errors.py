"""What can be wrong with who is asking.

```
AccountsError
├── CallerRefused            an API call's key
│   ├── InvalidKey           missing, mistyped, unknown, or used from an address it is not meant for
│   ├── KeyDisabled          disabled; for ever
│   └── KeyUnavailable       cannot be checked just now; never the caller's fault (503, not 401)
├── NotFound                 no such account, user or key, or none that this user may see
├── NotAllowed               the user's role does not reach that far
├── BadInput                 a value that cannot be taken; the message says why
└── SignInRefused            wrong e-mail, password or code, or too many tries
```
The messages are fit to be shown to whoever asked.
"""

from __future__ import annotations


class AccountsError(Exception):
    """Base of this room's errors."""


class CallerRefused(AccountsError):
    """The API key does not let this call through."""


class InvalidKey(CallerRefused):
    """The key is missing, unknown, or not for this address."""


class KeyDisabled(CallerRefused):
    """The key was disabled and is never enabled again."""


class KeyUnavailable(CallerRefused):
    """The key cannot be checked just now."""


class NotFound(AccountsError):
    """Nothing of that name or number, or nothing that the asker may see."""


class NotAllowed(AccountsError):
    """The user's role does not allow it."""


class BadInput(AccountsError):
    """A value that cannot be taken."""


class SignInRefused(AccountsError):
    """Sign-in failed. The message never tells which part was wrong."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
