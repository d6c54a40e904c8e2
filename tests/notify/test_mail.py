"""Mail over SMTP, to a real server on this machine, with TLS as in the world."""

import socket
import ssl
import threading
from contextlib import suppress
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from trustme import CA

from layerwatch.notify.mail import ConsoleMailer, Mail, MailError, SmtpMailer, mailer_for

USER, PASSWORD = "layer watch", "p@ss/word:of SMTP"
LOGIN = "layer%20watch:p%40ss%2Fword%3Aof%20SMTP@"
MAIL = Mail("ann@example.org", "Layerwatch: the invoice №1", "It is due.\nGrüße\n", ("INV-1.pdf", b"%PDF-1"))


class Post:
    """What a server has taken, and over which kind of connection."""

    def __init__(self):
        self.mails, self.logins = [], []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((session.ssl is not None, envelope))
        return "250 taken"

    def login(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == (USER, PASSWORD), handled=False)

    def message(self):
        """The one message, parsed."""
        ((_, envelope),) = self.mails
        return message_from_bytes(envelope.content, policy=policy.default)


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate for 127.0.0.1 whose authority this process trusts, as it does those of the world."""
    authority = CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def serve(post):
    """Starts servers, and ends them."""
    started = []

    def start(*, implicit=None, **options):
        class OurServer(Controller):
            def factory(self):
                return SMTP(post, authenticator=post.login, **options)

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        controller = OurServer(post, hostname="127.0.0.1", port=port, ssl_context=implicit, ready_timeout=60)
        controller.start()
        started.append(controller)
        return port

    yield start
    for controller in started:
        controller.stop()


def test_a_message_arrives_whole_over_starttls_and_after_the_login(post, serve, certificate):
    port = serve(tls_context=certificate, require_starttls=True, auth_require_tls=True, auth_required=True)
    SmtpMailer(f"smtp://{LOGIN}127.0.0.1:{port}", "billing@example.org").send(MAIL)
    ((secure, envelope),) = post.mails
    assert secure and post.logins == [(USER, PASSWORD)]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("billing@example.org", ["ann@example.org"])
    assert (post.message()["Subject"], post.message()["From"]) == (MAIL.subject, "billing@example.org")
    assert post.message().get_body().get_content().split() == MAIL.text.split()
    (file,) = post.message().iter_attachments()
    assert (file.get_filename(), file.get_content_type(), file.get_content()) == (
        "INV-1.pdf",
        "application/pdf",
        b"%PDF-1",
    )


def test_a_message_arrives_over_tls_from_the_first_byte(post, serve, certificate):
    port = serve(implicit=certificate, auth_require_tls=False)
    SmtpMailer(f"smtps://{LOGIN}127.0.0.1:{port}", "billing@example.org").send(MAIL)
    assert post.logins == [(USER, PASSWORD)] and post.message()["To"] == "ann@example.org"


def test_a_relay_on_this_machine_may_be_spoken_to_without_tls(post, serve):
    SmtpMailer(f"smtp://127.0.0.1:{serve()}?tls=no", "billing@example.org").send(MAIL)
    assert post.message()["To"] == "ann@example.org"


def test_a_server_that_cannot_prove_its_name_gets_nothing(post, serve, certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    port = serve(tls_context=certificate)
    with pytest.raises(MailError, match="SSLCertVerificationError"):
        SmtpMailer(f"smtp://{LOGIN}127.0.0.1:{port}", "billing@example.org").send(MAIL)
    assert post.mails == post.logins == []


def test_when_starttls_is_stripped_nothing_is_sent_in_the_clear(post, serve):
    with pytest.raises(MailError):
        SmtpMailer(f"smtp://{LOGIN}127.0.0.1:{serve()}", "billing@example.org").send(MAIL)
    assert post.mails == post.logins == []


def test_a_wrong_password_is_an_error_that_does_not_show_it(post, serve, certificate):
    port = serve(tls_context=certificate, auth_require_tls=True)
    mailer = SmtpMailer(f"smtp://{USER.replace(' ', '%20')}:guess-7@127.0.0.1:{port}", "billing@example.org")
    with pytest.raises(MailError) as refused:
        mailer.send(MAIL)
    assert "SMTPAuthenticationError" in str(refused.value) and "guess-7" not in str(refused.value)
    assert post.mails == []


@pytest.mark.parametrize("start", [b"220-", b"220 hello\r\n"], ids=["greeting", "answer"])
def test_a_server_that_answers_byte_by_byte_is_given_up(start, monkeypatch):
    """Each byte comes soon enough; the delivery as a whole does not."""
    monkeypatch.setattr("layerwatch.notify.mail.SMTP_TIMEOUT_S", 0.5)
    ended = threading.Event()

    def drip(listener):
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(start)
            while not ended.wait(0.05):
                connection.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=[listener], daemon=True)
        thread.start()
        with pytest.raises(MailError, match="not accepted in"):
            SmtpMailer(f"smtp://127.0.0.1:{listener.getsockname()[1]}?tls=no", "billing@example.org").send(
                MAIL
            )
        ended.set()
        thread.join(10)


def test_a_server_that_is_not_there_is_an_error(serve):
    with pytest.raises(MailError, match="ConnectionRefusedError"):
        SmtpMailer("smtp://127.0.0.1:9?tls=no", "billing@example.org").send(MAIL)


@pytest.mark.parametrize(
    "mail",
    [
        Mail("ann@example.org\nBcc: eve@example.org", "invoice", "text"),
        Mail("ann@example.org", "invited to A\r\nBcc: eve@example.org", "text"),
    ],
)
def test_headers_cannot_be_injected(post, serve, mail):
    port = serve()
    with pytest.raises(MailError):
        SmtpMailer(f"smtp://127.0.0.1:{port}?tls=no", "billing@example.org").send(mail)
    assert post.mails == []


@pytest.mark.parametrize(
    "url",
    ["mail.example.org", "http://mail.example.org", "smtp://", "smtp://me:secret@mail.example.org?tls=no"],
)
def test_an_address_that_cannot_be_used_is_refused_at_the_start(url):
    """The last one would send the password in the clear."""
    with pytest.raises(ValueError, match="smtp"):
        mailer_for(url, "billing@example.org")


def test_without_a_server_mail_is_written_to_the_console(capsys):
    mailer = mailer_for("", "billing@example.org")
    assert isinstance(mailer, ConsoleMailer)
    mailer.send(MAIL)
    shown = capsys.readouterr().err
    assert "ann@example.org" in shown and "It is due." in shown and "[attached: INV-1.pdf]" in shown


def test_mail_on_the_console_drives_no_terminal(capsys):
    ConsoleMailer().send(Mail("ann@example.org", "invitation to \x1b[2J", "The account \x9b\u202ex\nwelcome"))
    shown = capsys.readouterr().err
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
    assert "\\u001b[2J" in shown and "\nwelcome\n" in shown
