"""Identity: accounts, their users, roles, sign-in, and the audit log."""

from layerwatch.identity.errors import (
    BadInput,
    IdentityError,
    NotAllowed,
    NotFound,
    RateLimited,
    SignInRefused,
)
from layerwatch.identity.service import create_account, find_account, list_accounts, local_account

__all__ = [
    "BadInput",
    "IdentityError",
    "NotAllowed",
    "NotFound",
    "RateLimited",
    "SignInRefused",
    "create_account",
    "find_account",
    "list_accounts",
    "local_account",
]
