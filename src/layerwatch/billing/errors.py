"""What billing refuses.

```
BillingError
├── UsageRefused             a Process call that may not be made
│   ├── FreeLimitReached     the free (or a test key's) allowance is used up
│   └── PaymentBlocked       an invoice is overdue past its grace
├── NotFound                 no such invoice
└── NotPossible              what was asked does not fit the invoice's state; the message says why
```
"""

from __future__ import annotations

from layerwatch.core.errors import UserError


class BillingError(UserError):
    """Base of this room's errors. The message is fit to be shown."""


class UsageRefused(BillingError):
    """The call may not be made."""


class FreeLimitReached(UsageRefused):
    """The allowance is used up; `retry_after` whole seconds until the next one begins (at least 1)."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PaymentBlocked(UsageRefused):
    """The account has an overdue balance."""


class NotFound(BillingError):
    """No such invoice, or none of this account."""


class NotPossible(BillingError):
    """It does not fit the state of things."""
