"""Sending e-mail: over SMTP, or onto the server's console where none is set up."""

from __future__ import annotations

import asyncio
import ssl
import sys
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol, TextIO
from urllib.parse import unquote, urlsplit

import aiosmtplib

from layerwatch.core.text import escape_unsafe

SMTP_TIMEOUT_S = 60.0
"""Seconds for all of a delivery: the name, the connection, TLS, the login and the message."""


class MailError(Exception):
    """The message could not be handed over; the cause says why."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One plain-text message, with at most one PDF file (name, content)."""

    to: str
    subject: str
    text: str
    file: tuple[str, bytes] | None = None


class Mailer(Protocol):
    """Hands a message over. Raises MailError when it could not."""

    def send(self, mail: Mail) -> None:
        """Send it, or raise."""
        ...


class ConsoleMailer:
    """Writes messages to the console: for one's own machine, where nobody set up SMTP."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    def send(self, mail: Mail) -> None:
        """Print the message, with control characters escaped: users write names in it."""
        out = self._out or sys.stderr
        attached = [f"[attached: {mail.file[0]}]"] if mail.file else []
        lines = [f"--- mail to {mail.to}: {mail.subject}", *mail.text.split("\n"), *attached, "---"]
        print("\n".join(["", *map(escape_unsafe, lines), ""]), file=out, flush=True)


class SmtpMailer:
    """Sends over SMTP with TLS: `smtps://user:password@host` (465) or `smtp://…` (587, STARTTLS).

    `smtp://host:25?tls=no` speaks without TLS, for a relay on the same machine or test server.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("the mail address is smtp://HOST or smtps://HOST, with user:password@ if needed")
        self._host = parts.hostname
        self._implicit = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._implicit else 587)
        self._starttls = not self._implicit and parts.query != "tls=no"
        self._plain = not (self._starttls or self._implicit)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "")
        if self._user and self._plain:
            raise ValueError("smtp with a password needs TLS: leave tls=no out")
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Send the message and wait until the server has accepted it; for a thread without an event loop."""
        try:
            message = self._message(mail)
            asyncio.run(self._deliver(message))
        except TimeoutError as error:
            raise MailError(f"mail to {self._host} failed: not accepted in {SMTP_TIMEOUT_S:g} s") from error
        except (OSError, aiosmtplib.SMTPException, ValueError) as error:
            # ValueError: a line break where a header would have to end.
            why = type(error.__cause__ or error).__name__
            raise MailError(f"mail to {self._host} failed: {why}") from error

    async def _deliver(self, message: EmailMessage) -> None:
        async with asyncio.timeout(SMTP_TIMEOUT_S):
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password if self._user else None,
                use_tls=self._implicit,
                start_tls=self._starttls,
                tls_context=None if self._plain else ssl.create_default_context(),
                timeout=SMTP_TIMEOUT_S,
            )

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message.set_content(mail.text)
        if mail.file is not None:
            name, content = mail.file
            message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
        return message


def mailer_for(url: str, sender: str) -> Mailer:
    """The mailer of a settings address; empty: the console. Raises ValueError for one that is wrong."""
    return SmtpMailer(url, sender) if url else ConsoleMailer()
