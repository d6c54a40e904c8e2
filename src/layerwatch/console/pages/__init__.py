"""The console's pages by theme. `ALL` is the route table: every page and what it needs."""

from __future__ import annotations

from layerwatch.console.pages import (
    account,
    feedback,
    invoices,
    keys,
    oidc,
    operator,
    prints,
    profile,
    review,
    sign_in,
    usage,
)
from layerwatch.console.web import Page

ALL: tuple[Page, ...] = tuple(
    page
    for theme in (sign_in, oidc, prints, feedback, keys, usage, invoices, account, profile, operator, review)
    for page in theme.pages.all
)
