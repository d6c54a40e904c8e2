"""A real Chromium for tests of what a page does in a browser; skipped where there is none."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browser import PASSWORD

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"]


class Tab:
    """One tab, signed in or not, which remembers what its console complained of."""

    def __init__(self, context, url: str) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.url = url
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda line: self.complaints.append(line.text) if line.type in ("error", "warning") else None,
        )

    def sign_in(self, email: str) -> None:
        """By the form."""
        self.go("/sign-in")
        self.page.fill("[name=email]", email)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("text=Sign in >> nth=-1")
        self.page.wait_for_selector("header .who")

    def go(self, path: str) -> None:
        """Load a page of the console."""
        self.page.goto(f"{self.url}/console{path}")

    def until(self, expression: str) -> None:
        """Wait until this JavaScript is true."""
        # Not `wait_for_function`, which evaluates text in the page: its security policy forbids that.
        deadline = time.monotonic() + 20
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            self.page.wait_for_timeout(50)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A running Chromium: a `Browser` of Playwright. Skips the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
