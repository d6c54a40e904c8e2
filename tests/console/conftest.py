"""A running server with two accounts, and browsers that visit it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from layerwatch.config import load
from layerwatch.identity import create_account, passwords
from layerwatch.identity.models import User
from layerwatch.identity.roles import Role, set_role
from layerwatch.identity.users import operator_link
from layerwatch.notify.mail import Mail
from tests.support.browser import PASSWORD, Browser
from tests.support.servers import Server, running

HASH = passwords.hash_password(PASSWORD)


@dataclass
class Office:
    """The server, what it mailed, and means to make users."""

    server: Server
    mails: list[Mail]
    browsers: list[Browser] = field(default_factory=list)

    def browser(self) -> Browser:
        """A new browser without cookies."""
        browser = Browser(self.server.url)
        self.browsers.append(browser)
        return browser

    def account(self, name: str, **options: object) -> int:
        """A new account's number."""
        with self.server.services.database.write() as session:
            return create_account(session, name, self.server.clock.now(), **options).id  # type: ignore[arg-type]

    def user(
        self, email: str, account: int | None, role: Role = Role.OWNER, *, operator: bool = False
    ) -> int:
        """A new user's number; the password is `PASSWORD`."""
        now = datetime.now(UTC)
        with self.server.services.database.write() as session:
            user = User(
                email=email,
                verified_at=now,
                password=HASH,
                operator=operator,
                totp_nonce=None,
                totp_since=None,
                totp_step=0,
                subject=None,
                created_at=now,
            )
            session.add(user)
            session.flush()
            if account is not None:
                set_role(session, account, user.id, role)
            return user.id

    def signed_in(self, email: str) -> Browser:
        """A browser that this user signed in with."""
        browser = self.browser()
        assert browser.sign_in(email).status_code == 303
        return browser

    def operator(self) -> Browser:
        """A browser that came by the link which `layerwatch serve` prints."""
        with self.server.services.database.write() as session:
            link = operator_link(session, self.server.url, datetime.now(UTC))
        browser = self.browser()
        assert browser.enter(link).status_code == 303
        return browser

    def link(self) -> str:
        """The path of the link in the last mail, once it has come."""
        import time

        for _ in range(200):
            if self.mails:
                break
            time.sleep(0.01)
        found = re.search(r"/console(/\S+link=\S+)", self.mails.pop().text)
        assert found
        return found[1]


class _Outbox:
    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def send(self, mail: Mail) -> None:
        self.mails.append(mail)


@pytest.fixture
def open_office(sqlite_url, tmp_path, monkeypatch):
    """Opens an office whose server has these settings, and closes it at the end of the test."""
    outbox = _Outbox()
    monkeypatch.setattr(
        "layerwatch.calibration.CALIBRATION_SECONDS", 0.0
    )  # how fast it judges does not matter here
    with contextlib.ExitStack() as stack:

        def start(**settings: object) -> Office:
            loaded = load(data_dir=tmp_path, database=sqlite_url, log_level="error", **settings)
            office = Office(stack.enter_context(running(loaded, mailer=outbox)), outbox.mails)
            stack.callback(lambda: [browser.close() for browser in office.browsers])
            return office

        yield start


@pytest.fixture
def office(open_office):
    """A server where strangers may sign up."""
    return open_office(sign_up="open")
