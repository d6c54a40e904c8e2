"""A browser for tests: keeps cookies, and fills in the forms of the console's pages."""

from __future__ import annotations

import re
from html import unescape

import httpx

BASE = "/console"
PASSWORD = "correct horse battery staple"


class Browser:
    """One visitor of a running server. Redirects are not followed: a test sees each of them."""

    def __init__(self, url: str, address: str = "") -> None:
        self.http = httpx.Client(base_url=url, timeout=20, trust_env=False)
        self.http.headers["User-Agent"] = "test browser"
        self.origin = url

    def get(self, path: str) -> httpx.Response:
        """Load a page."""
        return self.http.get(BASE + path)

    def form_token(self, page: str = "/sign-in") -> str:
        """What the forms of a page carry."""
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.get(page).text)
        assert found, f"no form on {page}"
        return found[1]

    def post(self, path: str, page: str | None = None, **fields: str) -> httpx.Response:
        """Send a form as the browser would, with the token of the page that it stands on."""
        token = self.form_token(page or self._any_page())
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        return self.http.post(BASE + path, data={"form_token": token, **fields}, headers=headers)

    def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        """Sign in by the form."""
        return self.post("/sign-in", "/sign-in", email=email, password=password)

    def enter(self, link: str) -> httpx.Response:
        """Follow a link that signs in once, and confirm. link: the address, or what follows `/console`."""
        path = link.partition("/console")[2] or link
        return self.post("/enter", path, link=path.partition("link=")[2])

    @property
    def session(self) -> str | None:
        """The session cookie."""
        return self.http.cookies.get("layerwatch_session")

    def close(self) -> None:
        """Close its connections."""
        self.http.close()

    def _any_page(self) -> str:
        return "/profile" if self.session else "/sign-in"


def text_of(response: httpx.Response) -> str:
    """A page's words, without tags."""
    return unescape(re.sub(r"<[^>]+>", " ", response.text))
