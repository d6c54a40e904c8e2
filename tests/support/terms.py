"""The seller's terms in tests: the packaged price book, 14 days until due, 7 of grace."""

from __future__ import annotations

from datetime import timedelta

from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.pricebook import PACKAGED, PriceBooks

BOOKS = PriceBooks.load(PACKAGED)
TERMS = Terms(
    seller="Layer Works\n1 Bed Street", due=timedelta(days=14), grace=timedelta(days=7), books=BOOKS
)
