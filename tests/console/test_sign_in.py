"""Signing up, in and out."""

from datetime import UTC, datetime

import pyotp
import pytest

from layerwatch.identity import mail_limits, rate_limit
from layerwatch.identity.models import Account, User, WebSession
from tests.support.browser import PASSWORD, text_of


def test_the_link_that_serve_prints_signs_the_operator_in_once(office):
    from layerwatch.identity.users import operator_link

    with office.server.services.database.write() as session:
        path = operator_link(session, "", datetime.now(UTC)).removeprefix("/console")
    first, second = office.browser(), office.browser()
    assert first.enter(path).status_code == 303
    assert "local" in first.get("/").text
    assert second.get(path).status_code == 400
    assert second.post("/enter", link=path.partition("link=")[2]).status_code == 400
    assert second.get("/").headers["location"].startswith("/console/sign-in")


def test_a_mail_scanner_that_opens_the_link_does_not_use_it_up(office):
    from layerwatch.identity.users import operator_link

    with office.server.services.database.write() as session:
        path = operator_link(session, "", datetime.now(UTC)).removeprefix("/console")
    scanner = office.browser()
    for _ in range(2):
        assert scanner.get(path).status_code == 200
    assert scanner.http.head(f"/console{path}").status_code == 200
    assert scanner.session is None
    assert office.browser().enter(path).status_code == 303


def test_another_site_cannot_sign_a_browser_in_by_its_own_link(office):
    from layerwatch.identity.users import operator_link

    with office.server.services.database.write() as session:
        link = operator_link(session, "", datetime.now(UTC)).partition("link=")[2]
    browser = office.browser()
    answer = browser.http.post(
        "/console/enter",
        data={"link": link, "form_token": "0" * 64},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403 and browser.session is None


def test_who_is_not_signed_in_is_led_to_sign_in_and_back(office):
    office.user("ann@example.org", office.account("Acme"))
    browser = office.browser()
    to = browser.get("/keys").headers["location"]
    assert to == "/console/sign-in?next=%2Fconsole%2Fkeys"
    answer = browser.post("/sign-in", email="ann@example.org", password=PASSWORD, next="/console/keys")
    assert answer.headers["location"] == "/console/keys"


@pytest.mark.parametrize("away", ["//evil.example", "https://evil.example/console/", "/console//evil", "/x"])
def test_signing_in_leads_nowhere_else(office, away):
    office.user("ann@example.org", office.account("Acme"))
    answer = office.browser().post("/sign-in", email="ann@example.org", password=PASSWORD, next=away)
    assert answer.headers["location"] == "/console/"


def test_a_wrong_password_and_an_unknown_user_look_the_same(office):
    office.user("ann@example.org", office.account("Acme"))
    browser = office.browser()
    wrong = browser.sign_in("ann@example.org", "not the password")
    unknown = browser.sign_in("bob@example.org", "not the password")
    assert wrong.status_code == unknown.status_code == 403
    assert text_of(wrong).split() == text_of(unknown).split()


def test_signing_out_ends_the_session_on_the_server(office):
    office.user("ann@example.org", office.account("Acme"))
    browser = office.signed_in("ann@example.org")
    stolen = browser.session
    browser.post("/sign-out")
    thief = office.browser()
    thief.http.cookies.set("layerwatch_session", stolen, path="/console")
    assert thief.get("/keys").status_code == 303


def test_a_new_account_is_on_free_usage_only_and_has_to_verify_before_it_makes_keys(office):
    browser = office.browser()
    form = {"email": "New@Example.org", "password": PASSWORD, "name": "New Works"}
    assert browser.post("/sign-up", "/sign-up", **form).status_code == 303
    with office.server.services.database.read() as session:
        account = session.query(Account).filter_by(name="New Works").one()
        assert account.free_only and account.price_book == "standard"
    link = office.link()
    browser.sign_in("new@example.org")
    assert "Verify your e-mail" in browser.post("/keys", "/keys", name="farm").text
    verified = browser.post("/verify", link, link=link.split("link=")[1])
    assert verified.headers["location"] == "/console/?said=verified"
    browser.post("/keys", "/keys", name="farm")
    assert "Your new key" in browser.get("/keys").text


def test_signing_up_with_an_address_in_use_tells_only_its_owner(office):
    office.user("ann@example.org", office.account("Acme"))
    form = {"password": PASSWORD, "name": ""}
    known = office.browser().post("/sign-up", "/sign-up", email="ann@example.org", **form)
    fresh = office.browser().post("/sign-up", "/sign-up", email="eve@example.org", **form)
    assert (known.status_code, known.headers["location"]) == (fresh.status_code, fresh.headers["location"])
    while len(office.mails) < 2:
        pass
    assert {mail.to: "have an account already" in mail.subject for mail in office.mails} == {
        "ann@example.org": True,
        "eve@example.org": False,
    }


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("no address", PASSWORD),
        ("operator@localhost", PASSWORD),
        ("a@example.org", "short"),
        ("a@example.org", "aaaaaaaaaaaaaaaa"),
        ("somebody.long@example.org", "somebody.long1"),
    ],
)
def test_sign_up_refuses_what_cannot_be_used(office, email, password):
    answer = office.browser().post("/sign-up", "/sign-up", email=email, password=password, name="x")
    assert answer.status_code == 400


def test_sign_up_is_closed_unless_the_operator_opens_it(server):
    from tests.support.browser import Browser

    assert Browser(server.url).get("/sign-up").status_code == 404


def test_a_forgotten_password_is_reset_by_mail_and_ends_every_session(office):
    office.user("ann@example.org", office.account("Acme"))
    old = office.signed_in("ann@example.org")
    browser = office.browser()
    browser.post("/forgot", "/forgot", email="ann@example.org")
    link = office.link()
    fields = {"link": link.split("link=")[1], "password": "a new and longer one"}
    assert browser.post("/reset", link, **fields).status_code == 303
    assert old.get("/keys").status_code == 303
    assert browser.sign_in("ann@example.org", "a new and longer one").status_code == 303
    assert browser.get(link).status_code == 400


def test_asking_for_an_unknown_address_looks_the_same_and_mails_nobody(office):
    office.user("ann@example.org", office.account("Acme"))
    known = office.browser().post("/forgot", "/forgot", email="ann@example.org")
    unknown = office.browser().post("/forgot", "/forgot", email="bob@example.org")
    assert known.headers["location"] == unknown.headers["location"]
    office.link()
    assert office.mails == []


def test_one_time_codes(office):
    user = office.user("ann@example.org", office.account("Acme"))
    browser = office.signed_in("ann@example.org")
    page = browser.post("/profile/codes", password=PASSWORD)
    with office.server.services.database.read() as session:
        from layerwatch.identity.totp import secret_of

        secret = secret_of(session.get(User, user), office.server.services.secrets.sessions)
    assert secret in page.text and "data:image/svg+xml" in page.text
    code = pyotp.TOTP(secret).at(datetime.now(UTC))
    assert browser.post("/profile/codes/confirm", code="000000").status_code == 400
    assert "Recovery codes" in browser.post("/profile/codes/confirm", code=code).text

    other = office.browser()
    assert other.sign_in("ann@example.org").headers["location"].startswith("/console/code")
    half_open = other.session
    assert other.get("/keys").headers["location"] == "/console/code?next=%2Fconsole%2Fkeys"
    used_again = other.post("/code", "/code", code=code)
    assert used_again.status_code == 403
    following = pyotp.TOTP(secret).at(int(datetime.now(UTC).timestamp()) + 30)
    assert other.post("/code", "/code", code=following).status_code == 303
    assert other.session != half_open
    assert other.get("/keys").status_code == 200


def test_codes_cannot_be_guessed(office):
    user = office.user("ann@example.org", office.account("Acme"))
    with office.server.services.database.write() as session:
        row = session.get(User, user)
        row.totp_nonce, row.totp_since = b"n" * 16, datetime.now(UTC)
    browser = office.browser()
    browser.sign_in("ann@example.org")
    codes = [
        browser.post("/code", "/code", code=f"{n:06d}").status_code for n in range(rate_limit.PER_USER + 2)
    ]
    assert codes[-1] == 429 and codes.count(429) >= 2


def test_a_session_that_was_not_used_for_long_is_over(office):
    office.user("ann@example.org", office.account("Acme"))
    browser = office.signed_in("ann@example.org")
    from layerwatch.identity.sessions import IDLE_TIMEOUT

    with office.server.services.database.write() as session:
        for row in session.query(WebSession):
            row.seen_at = datetime.now(UTC) - IDLE_TIMEOUT - (datetime.now(UTC) - row.created_at)
    assert browser.get("/keys").status_code == 303


def signed_up(office, email="new@example.org"):
    """A browser signed in as somebody whose address was not shown to be theirs."""
    browser = office.browser()
    browser.post("/sign-up", "/sign-up", email=email, password=PASSWORD, name="New Works")
    browser.sign_in(email)
    return browser


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/keys", {"name": "farm"}),
        ("/members", {"email": "accomplice@example.org", "role": "owner"}),
        ("/alerts", {"dollars": "1", "email": "victim@example.org"}),
        ("/settings/payment", {}),
    ],
)
def test_nothing_begins_in_the_name_of_an_address_that_was_not_verified(office, path, fields):
    answer = signed_up(office).post(path, **fields)
    assert answer.status_code == 400 and "Verify your e-mail address first" in text_of(answer)


def test_who_proves_an_address_takes_over_from_whoever_signed_up_with_it(office):
    """The stranger's sessions, password and one-time codes are gone after the owner's reset."""
    stranger = signed_up(office, "ann@example.org")
    office.mails.clear()
    with office.server.services.database.write() as session:
        user = session.query(User).filter_by(email="ann@example.org").one()
        user.totp_nonce, user.totp_since = b"n" * 16, datetime.now(UTC)
    browser = office.browser()
    browser.post("/forgot", "/forgot", email="ann@example.org")
    link = office.link()
    browser.post("/reset", link, link=link.split("link=")[1], password="a new and longer one")
    assert stranger.get("/keys").status_code == 303
    assert stranger.sign_in("ann@example.org").status_code == 403
    assert browser.sign_in("ann@example.org", "a new and longer one").headers["location"] == "/console/"


def test_links_to_new_passwords_are_limited_by_address_too(office):
    """However many machines ask: nobody's inbox is flooded."""
    with office.server.services.database.write() as session:
        for _ in range(mail_limits.PER_RECIPIENT_HOUR):
            mail_limits.take(session, "ann@example.org", datetime.now(UTC))
    assert office.browser().post("/forgot", "/forgot", email="Ann@Example.org ").status_code == 429


def test_who_opens_anothers_verification_mail_verifies_nothing(office):
    """A stranger signed up with Ann's address; Ann, or a scanner of her mail, opens the link."""
    signed_up(office, "ann@example.org")
    link = office.link()
    ann = office.browser()
    assert ann.get(link).headers["location"].startswith("/console/sign-in?next=%2Fconsole%2Fverify%3Flink%3D")
    office.user("bob@example.org", office.account("Acme"))
    bob = office.signed_in("bob@example.org")
    assert bob.get(link).status_code == 200
    assert bob.post("/verify", link, link=link.split("link=")[1]).status_code == 400
    with office.server.services.database.read() as session:
        assert session.query(User).filter_by(email="ann@example.org").one().verified_at is None
