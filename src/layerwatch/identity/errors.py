"""What can go wrong with accounts and the people in them.

```
IdentityError
├── NotFound                 no such account, user or key, or none that this user may see
├── NotAllowed               the user's role is not sufficient
├── BadInput                 an invalid value; the message says why
└── SignInRefused            wrong e-mail, password or code
    └── RateLimited          too many tries, or too many mails
```
The messages may be shown to the user.
"""

from __future__ import annotations

from layerwatch.core.errors import UserError


class IdentityError(UserError):
    """Base class for account and sign-in errors. field: the form's field at fault; empty if there is none."""

    field: str = ""


class NotFound(IdentityError):
    """Nothing with that name or number, or nothing that the user may see."""


class NotAllowed(IdentityError):
    """The user's role does not allow it."""


class BadInput(IdentityError):
    """An invalid value."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class SignInRefused(IdentityError):
    """Sign-in failed. The message does not reveal which part was wrong."""

    retry_after: int | None = None
    """Seconds to wait before the next try; None: no wait."""


class RateLimited(SignInRefused):
    """Too many tries, or mails, in a window."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
