"""Who answers the set-up's questions."""

from __future__ import annotations

import getpass
import sys
from typing import Protocol


class Asker(Protocol):
    """Somebody who answers."""

    def text(self, question: str) -> str:
        """An answer in the open. Raises EOFError when there will be none."""

    def secret(self, question: str) -> str:
        """An answer that is not shown. Raises EOFError when there will be none."""


class Terminal:
    """A person at the terminal."""

    def text(self, question: str) -> str:
        """An answer in the open; the question goes to standard error."""
        print(f"{question} ", end="", file=sys.stderr, flush=True)
        return input().strip()

    def secret(self, question: str) -> str:
        """An answer that is not shown."""
        return getpass.getpass(f"{question} (not shown): ").strip()


def agrees(asker: Asker | None, question: str) -> bool:
    """Whether a person says yes. Without one: no."""
    return asker is not None and asker.text(f"{question} [y/N]").lower() in ("y", "yes")
