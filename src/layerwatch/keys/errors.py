"""What can be wrong with an API call's key.

```
CallerRefused
├── InvalidKey           missing, mistyped or unknown
├── KeyDisabled          disabled, permanently
├── AddressNotAllowed    a good key, used from an address outside of its allowed networks
└── KeyUnavailable       cannot be checked just now; never the caller's fault (503, not 401)
```
The messages may be shown to the caller.
"""

from __future__ import annotations


class CallerRefused(Exception):
    """The API key does not admit this call."""


class InvalidKey(CallerRefused):
    """The key is missing or unknown."""


class KeyDisabled(CallerRefused):
    """The key was disabled and is never enabled again."""


class AddressNotAllowed(CallerRefused):
    """The key is good, but not from the caller's address. From an allowed address it works."""


class KeyUnavailable(CallerRefused):
    """The key cannot be checked just now."""
