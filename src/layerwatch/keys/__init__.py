"""API keys: creation, listing, and the check on every call.

The API needs one method: `KeyAuthenticator.authenticate(key_text, now, ip) -> Caller`.
"""

from layerwatch.keys.authenticator import Caller, KeyAuthenticator
from layerwatch.keys.errors import (
    AddressNotAllowed,
    CallerRefused,
    InvalidKey,
    KeyDisabled,
    KeyUnavailable,
)
from layerwatch.keys.service import (
    NewKey,
    create_key,
    disable_key,
    find_key,
    list_keys,
    rename_key,
    retire_keys,
    rotate_key,
)

__all__ = [
    "AddressNotAllowed",
    "Caller",
    "CallerRefused",
    "InvalidKey",
    "KeyAuthenticator",
    "KeyDisabled",
    "KeyUnavailable",
    "NewKey",
    "create_key",
    "disable_key",
    "find_key",
    "list_keys",
    "rename_key",
    "retire_keys",
    "rotate_key",
]
