"""Python's collector of cyclic garbage, kept away from what never becomes garbage.

The libraries of a server are 150,000 objects. While they are imported, nothing is found in them, and later a
full collection goes through all of them again: 0.14 s in which no call is answered.
"""

from __future__ import annotations

import gc


def hold() -> None:
    """Collect nothing while a server starts."""
    gc.disable()


def release() -> None:
    """Collect again, leaving aside what was made until now."""
    gc.freeze()
    gc.enable()
