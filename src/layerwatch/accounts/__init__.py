"""Accounts: developers, their users and sign-in, and their API keys.

The API asks one thing of this room: `KeyRing.authenticate(key_text, now, ip) -> Caller`.
"""

from layerwatch.accounts.errors import (
    AccountsError,
    BadInput,
    CallerRefused,
    InvalidKey,
    KeyDisabled,
    KeyUnavailable,
    NotAllowed,
    NotFound,
    SignInRefused,
)
from layerwatch.accounts.keyring import Caller, KeyRing
from layerwatch.accounts.keys import NewKey, create_key, disable_key, find_key, list_keys
from layerwatch.accounts.service import create_account, find_account, list_accounts, local_account

__all__ = [
    "AccountsError",
    "BadInput",
    "Caller",
    "CallerRefused",
    "InvalidKey",
    "KeyDisabled",
    "KeyRing",
    "KeyUnavailable",
    "NewKey",
    "NotAllowed",
    "NotFound",
    "SignInRefused",
    "create_account",
    "create_key",
    "disable_key",
    "find_account",
    "find_key",
    "list_accounts",
    "list_keys",
    "local_account",
]
