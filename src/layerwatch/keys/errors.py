"""What can be wrong with an API call's key.

```
CallerRefused
├── InvalidKey           missing, mistyped, unknown, or used from an address it is not meant for
├── KeyDisabled          disabled, permanently
└── KeyUnavailable       cannot be checked just now; never the caller's fault (503, not 401)
```
The messages may be shown to the caller.
"""

from __future__ import annotations


class CallerRefused(Exception):
    """The API key does not admit this call."""


class InvalidKey(CallerRefused):
    """The key is missing, unknown, or not valid from this address."""


class KeyDisabled(CallerRefused):
    """The key was disabled and is never enabled again."""


class KeyUnavailable(CallerRefused):
    """The key cannot be checked just now."""
