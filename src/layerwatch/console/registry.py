"""How a page is declared: a plain function `(Visit) -> Response`, with what a visitor has to be for it.

    @pages.get("/keys", Needs.READ_ONLY)
    def show(visit: Visit) -> Response: ...

Everything else is done in `endpoints`, once, for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from starlette.responses import Response

from layerwatch.console.visit import Visit


class Needs(Enum):
    """What a visitor has to be for a page."""

    NOTHING = "nothing"
    SIGNED_IN = "signed in"
    READ_ONLY = "read-only"
    MEMBER = "member"
    OWNER = "owner"
    OPERATOR = "operator"


Handler = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """A declared page."""

    method: str
    path: str
    needs: Needs
    handler: Handler
    back: Handler | None = None
    """For a form: the page that it is on, which is shown again when the form is refused."""
    takes_file: bool = False
    """For a form: whether it carries a file."""


@dataclass(slots=True)
class Pages:
    """Declared pages of one theme."""

    all: list[Page] = field(default_factory=list)

    def get(self, path: str, needs: Needs) -> Callable[[Handler], Handler]:
        """Declare a page that only shows."""
        return self._declare("GET", path, needs, None)

    def post(
        self, path: str, needs: Needs, back: Handler | None = None, *, takes_file: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare a form's target. back: the page that the form is on."""
        return self._declare("POST", path, needs, back, takes_file)

    def _declare(
        self, method: str, path: str, needs: Needs, back: Handler | None, takes_file: bool = False
    ) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            self.all.append(Page(method, path, needs, handler, back, takes_file))
            return handler

        return keep
