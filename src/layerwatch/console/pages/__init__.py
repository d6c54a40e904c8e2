"""The console's pages by theme. `ALL` is the route table: every page and what it needs."""

from __future__ import annotations

from layerwatch.console.pages import (
    account,
    accounts,
    acting,
    audit,
    feedback,
    first_run,
    invoices,
    keys,
    members,
    models,
    notifications,
    oidc,
    operator,
    operator_accounts,
    operator_installation,
    print_list,
    print_page,
    prints,
    profile,
    review,
    sign_in,
    try_it,
    usage,
    users,
)
from layerwatch.console.registry import Page

_THEMES = (
    *(sign_in, oidc, accounts, prints, print_list, print_page, acting, first_run, try_it, feedback),
    *(keys, usage, invoices, notifications, account, members, profile, audit),
    *(operator, operator_accounts, operator_installation, users, review, models),
)
ALL: tuple[Page, ...] = tuple(page for theme in _THEMES for page in theme.pages.all)
