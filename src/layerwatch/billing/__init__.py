"""Billing: metering, the price book, invoices and payments.

The API uses two functions of this room: `check_allowance` before a Process call, and `count_inspection`
in the transaction that stores its outcome (`count_deferred` for one that was answered during an outage).
"""

from layerwatch.billing.errors import (
    BillingError,
    FreeLimitReached,
    NotFound,
    NotPossible,
    PaymentBlocked,
    UsageRefused,
)
from layerwatch.billing.metering import (
    TEST_CALLS_A_DAY,
    billable_calls,
    check_allowance,
    check_not_blocked,
    count_deferred,
    count_inspection,
    is_limited,
)
from layerwatch.billing.month import Month
from layerwatch.billing.pricebook import PriceBook, PriceBookError, PriceBooks, Quote

__all__ = [
    "TEST_CALLS_A_DAY",
    "BillingError",
    "FreeLimitReached",
    "Month",
    "NotFound",
    "NotPossible",
    "PaymentBlocked",
    "PriceBook",
    "PriceBookError",
    "PriceBooks",
    "Quote",
    "UsageRefused",
    "billable_calls",
    "check_allowance",
    "check_not_blocked",
    "count_deferred",
    "count_inspection",
    "is_limited",
]
