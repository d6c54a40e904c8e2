"""Signing in at an OpenID Connect provider: a real one, in a process of its own, with real keys."""

import json
import re
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from layerwatch.config import ConfigError, load
from layerwatch.identity import invitations
from layerwatch.identity.models import Account, Membership, User, WebSession
from layerwatch.identity.oidc.factory import provider_of
from layerwatch.identity.oidc.flow import LIFETIME, Flow
from layerwatch.identity.roles import Role
from tests.support.browser import PASSWORD, text_of
from tests.support.openid_provider import CLIENT, CLIENT_SECRET, running_provider

pytest.importorskip("authlib")


@pytest.fixture(scope="module")
def provider():
    with running_provider("http://127.0.0.1:") as provider:
        yield provider


@pytest.fixture
def desk(provider, open_office):
    """A server that takes the provider's word, closed to strangers."""
    provider.signs_in()
    return open_office(
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=CLIENT_SECRET,
        oidc_name="Example ID",
    )


def invited(office, email="ann@example.org"):
    """Somebody without a user is invited to Acme; the path of the link in their mail."""
    number = office.account("Acme")
    owner = office.user("owner@example.org", number)
    with office.server.services.database.write() as session:
        mail = invitations.invite(
            session, number, email, Role.MEMBER, by=owner, base_url="", now=datetime.now(UTC)
        )
    return re.search(r"/console(/\S+)", mail.text)[1]


def leave(browser, path="/oidc/start"):
    """Follow the button to the provider and on; where the provider leads back to."""
    away = browser.get(path)
    assert away.status_code == 303, text_of(away)
    return at_the_provider(away.headers["location"])


def at_the_provider(address):
    answer = httpx.get(address, trust_env=False)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    return f"{back.path.removeprefix('/console')}?{back.query}"


def sign_in(browser):
    return browser.get(leave(browser))


def user_named(office, email="ann@example.org"):
    with office.server.services.database.read() as session:
        user = session.query(User).filter_by(email=email).one_or_none()
        session.expunge_all()
        return user


def test_who_was_invited_signs_in_and_is_led_on_and_is_a_member_once_they_accept(desk):
    link = invited(desk)
    browser = desk.browser()
    assert "Sign in with Example ID" in browser.get("/sign-in").text
    back = browser.get(leave(browser, "/oidc/start?next=/console/keys"))
    assert (back.status_code, back.headers["location"]) == (303, "/console/keys")
    assert user_named(desk).verified_at is not None
    assert browser.get("/keys").status_code == 403
    assert browser.post("/invitation", link, link=link.split("link=")[1]).status_code == 303
    assert browser.get("/keys").status_code == 200


def test_a_user_is_known_by_the_providers_name_and_not_by_the_address(desk, provider):
    invited(desk)
    sign_in(desk.browser())
    provider.signs_in(email="ann.new@example.org")
    browser = desk.browser()
    assert sign_in(browser).status_code == 303
    assert "ann@example.org" in browser.get("/profile").text
    assert user_named(desk, "ann.new@example.org") is None


def test_an_address_that_went_to_someone_else_opens_nothing(desk, provider):
    invited(desk)
    sign_in(desk.browser())
    provider.signs_in(sub="somebody-new")
    browser = desk.browser()
    answer = sign_in(browser)
    assert answer.status_code == 403 and "a user with your e-mail address already" in text_of(answer)
    assert browser.session is None


def test_a_user_with_a_password_is_never_taken_over_by_address(desk):
    desk.user("ann@example.org", desk.account("Acme"))
    browser = desk.browser()
    answer = sign_in(browser)
    assert answer.status_code == 403 and "Sign in as before, then connect" in text_of(answer)
    assert browser.session is None and user_named(desk).subject is None


def test_signing_up_with_anothers_address_beforehand_gains_nothing(desk):
    """The stranger's password stays theirs alone: the owner of the address is not put into the same user."""
    with desk.server.services.database.write() as session:
        from layerwatch.identity.repository import new_user
        from tests.console.conftest import HASH

        new_user(session, "ann@example.org", datetime.now(UTC), password=HASH)
    assert sign_in(desk.browser()).status_code == 403
    assert user_named(desk).verified_at is None


def test_the_operator_is_not_to_be_had_by_an_address(desk, provider):
    desk.user("boss@example.org", None, operator=True)
    with desk.server.services.database.write() as session:
        session.query(User).filter_by(email="boss@example.org").one().password = None
    desk.operator()
    for address in ("boss@example.org", "operator@localhost"):
        provider.signs_in(sub="stranger", email=address)
        browser = desk.browser()
        assert sign_in(browser).status_code == 403
        assert browser.session is None


@pytest.mark.parametrize(
    "claims", [{"email_verified": False}, {"email_verified": None}, {"email_verified": "no"}, {"email": None}]
)
def test_an_address_that_was_not_verified_opens_nothing(desk, provider, claims):
    invited(desk)
    provider.signs_in(**claims)
    browser = desk.browser()
    answer = sign_in(browser)
    assert answer.status_code == 403 and "does not say that your e-mail address was verified" in answer.text
    assert browser.session is None and user_named(desk) is None


def test_an_address_that_only_userinfo_has_is_used(desk, provider):
    invited(desk)
    provider.signs_in("thin")
    assert sign_in(desk.browser()).status_code == 303


def test_a_stranger_is_let_in_only_where_sign_up_is_open(desk, provider):
    answer = sign_in(desk.browser())
    assert answer.status_code == 403 and "was not invited" in answer.text
    assert user_named(desk) is None
    desk.server.services.settings.sign_up = "open"
    browser = desk.browser()
    assert sign_in(browser).status_code == 303
    browser.post("/keys", "/keys", name="farm")
    assert "Your new key" in browser.get("/keys").text
    with desk.server.services.database.read() as session:
        mine = session.query(Membership).filter_by(user_id=user_named(desk).id).one()
        account = session.get(Account, mine.account_id)
        assert (mine.role, account.free_only, account.price_book) == ("owner", True, "standard")


@pytest.mark.parametrize(
    "fault",
    [
        "another issuer",
        "another audience",
        "one of several audiences",
        "another nonce",
        "no nonce",
        "too old",
        "not signed",
        "signed by a stranger",
        "signed with the public key as a password",
        "answer of another",
    ],
)
def test_an_answer_that_proves_nothing_opens_nothing(desk, provider, fault):
    invited(desk)
    provider.signs_in(fault)
    browser = desk.browser()
    answer = sign_in(browser)
    assert answer.status_code == 403 and "did not work" in text_of(answer), fault
    assert browser.session is None and user_named(desk) is None


def test_a_provider_that_changes_its_keys_is_followed(desk, provider, monkeypatch):
    monkeypatch.setattr("layerwatch.identity.oidc.provider.KEY_REFRESH_INTERVAL_S", 0.0)
    invited(desk)
    sign_in(desk.browser())
    provider.signs_in("new key")
    assert sign_in(desk.browser()).status_code == 303


def test_a_document_of_another_issuer_is_refused(desk, provider):
    provider.signs_in("document of another")
    answer = desk.browser().get("/oidc/start")
    assert answer.status_code == 503 and "Signing in with Example ID did not work" in text_of(answer)


def test_what_the_provider_says_of_its_no_is_not_repeated(desk, provider):
    provider.signs_in("denied")
    answer = sign_in(desk.browser())
    assert answer.status_code == 403 and "Example ID did not sign you in" in text_of(answer)
    assert "<b>no" not in answer.text


def test_an_answer_counts_only_in_the_browser_that_asked(desk):
    """Login CSRF: the attacker's code in the victim's browser, with and without a flow of its own."""
    invited(desk)
    attacker, victim = desk.browser(), desk.browser()
    path = leave(attacker)
    assert victim.get(path).status_code == 403
    victim.get("/oidc/start")
    assert victim.get(path).status_code == 403
    assert victim.session is None


def test_an_answer_counts_once(desk):
    invited(desk)
    browser = desk.browser()
    path = leave(browser)
    flow = browser.http.cookies.get("layerwatch_oidc", path="/console/oidc")
    assert browser.get(path).status_code == 303
    assert browser.get(path).status_code == 403
    thief = desk.browser()
    thief.http.cookies.set("layerwatch_oidc", flow, path="/console/oidc")
    assert thief.get(path).status_code == 403
    assert thief.session is None


def test_a_code_that_was_overheard_is_worth_nothing_without_the_verifier(desk, provider):
    """PKCE: the provider itself refuses it, even with the client's secret."""
    code = parse_qs(urlsplit(leave(desk.browser())).query)["code"][0]
    answer = httpx.post(
        f"{provider.issuer}/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{desk.server.url}/console/oidc/back",
            "code_verifier": "v" * 43,
        },
        auth=(CLIENT, CLIENT_SECRET),
        trust_env=False,
    )
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})


def test_a_flow_is_good_for_ten_minutes_and_cannot_be_rewritten():
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    flow = Flow.begin(now, next="/console/keys")
    key = b"k" * 32
    assert Flow.read(flow.text, now + LIFETIME) == flow
    assert Flow.read(flow.text, now + LIFETIME + timedelta(seconds=1)) is None
    assert Flow.read(flow.text, now - timedelta(minutes=2)) is None
    # Changing any part gives another flow, whose state an attacker cannot compute.
    began, proof, _, page = flow.text.split(".")
    other = Flow.read(f"{began}.{proof}.7.{page}", now)
    assert other.user_id == 7 and not other.is_state(flow.state(key), key)
    for broken in ("", "a.b.c.d", f"{began}.{proof}.0", "9" * 40 + ".x.0.", flow.text + "é", "x" * 2000):
        assert Flow.read(broken, now) is None
    assert len({flow.state(key), flow.nonce(key), flow.verifier(key)}) == 3
    assert len(flow.verifier(key)) == 43


def test_signing_in_there_begins_a_session_of_its_own(desk):
    """Neither a session that was planted nor the one before lives on."""
    invited(desk)
    planted = "attacker-chose-this-token-0123456789abcdefgh"
    victim, attacker, browser = desk.browser(), desk.browser(), desk.browser()
    for one in (victim, attacker):
        one.http.cookies.set("layerwatch_session", planted, path="/console")
    sign_in(victim)
    assert attacker.get("/keys").status_code == 303
    with desk.server.services.database.write() as session:
        session.query(WebSession).delete()
    for _ in range(2):
        sign_in(browser)
    with desk.server.services.database.read() as session:
        assert session.query(WebSession).count() == 1


def test_one_time_codes_are_asked_for_all_the_same(desk):
    invited(desk)
    sign_in(desk.browser())
    with desk.server.services.database.write() as session:
        user = session.query(User).filter_by(email="ann@example.org").one()
        user.totp_nonce, user.totp_since = b"n" * 16, datetime.now(UTC)
    browser = desk.browser()
    assert sign_in(browser).headers["location"].startswith("/console/code")
    assert browser.get("/keys").headers["location"] == "/console/code?next=%2Fconsole%2Fkeys"


def test_a_user_connects_behind_the_password_and_then_signs_in_there(desk, provider):
    desk.user("ann@example.org", desk.account("Acme"))
    provider.signs_in(email="private@example.net", sub="ann-at-home")
    browser = desk.signed_in("ann@example.org")
    assert browser.post("/profile/provider", password="wrong").status_code == 403
    page = browser.post("/profile/provider", password=PASSWORD)
    address = page.text.split('href="')[-1].split('"')[0].replace("&amp;", "&")
    assert browser.get(at_the_provider(address)).headers["location"] == "/console/profile?said=provider-on"
    other = desk.browser()
    assert sign_in(other).status_code == 303
    assert "ann@example.org" in other.get("/profile").text
    assert browser.post("/profile/provider/off", password=PASSWORD).status_code == 303
    assert sign_in(desk.browser()).status_code == 403


def test_what_someone_began_connects_no_one_else(desk):
    """Ann leaves for the provider; by the time it leads back, Bob is signed in."""
    account = desk.account("Acme")
    desk.user("ann@example.org", account)
    desk.user("bob@example.org", account)
    browser = desk.signed_in("ann@example.org")
    page = browser.post("/profile/provider", password=PASSWORD)
    address = page.text.split('href="')[-1].split('"')[0].replace("&amp;", "&")
    path = at_the_provider(address)
    browser.post("/sign-out")
    browser.sign_in("bob@example.org")
    assert browser.get(path).status_code == 403
    assert user_named(desk).subject is None and user_named(desk, "bob@example.org").subject is None


def test_one_person_there_is_one_user_here(desk):
    invited(desk)
    sign_in(desk.browser())
    desk.user("bob@example.org", desk.account("Other"))
    browser = desk.signed_in("bob@example.org")
    page = browser.post("/profile/provider", password=PASSWORD)
    address = page.text.split('href="')[-1].split('"')[0].replace("&amp;", "&")
    answer = browser.get(at_the_provider(address))
    assert answer.status_code == 403 and "another user here already" in text_of(answer)


def test_who_has_no_password_keeps_the_only_way_in_and_proves_themselves_by_signing_in(desk):
    invited(desk)
    browser = desk.browser()
    sign_in(browser)
    answer = browser.post("/profile/provider/off")
    assert answer.status_code == 400 and "Set a password first" in text_of(answer)
    with desk.server.services.database.write() as session:
        session.query(WebSession).one().created_at -= timedelta(minutes=16)
    late = browser.post("/profile/password", new="a new and longer one")
    assert late.status_code == 403 and "Sign out and in again first" in text_of(late)
    sign_in(browser)
    assert browser.post("/profile/password", new="a new and longer one").status_code == 303


def test_tries_at_the_way_back_are_limited(desk, provider):
    from layerwatch.identity import rate_limit

    provider.signs_in("another nonce")
    browser = desk.browser()
    with desk.server.services.database.write() as session:
        for _ in range(rate_limit.PER_NETWORK):
            rate_limit.take(session, "provider 127.0.0.1", rate_limit.PER_NETWORK, datetime.now(UTC))
    assert sign_in(browser).status_code == 429


def test_another_sites_link_does_not_begin_a_sign_in(desk):
    browser = desk.browser()
    answer = browser.http.get("/console/oidc/start", headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")


def test_where_no_provider_is_named_there_is_no_button_and_no_page(office):
    browser = office.browser()
    assert "oidc" not in browser.get("/sign-in").text
    assert browser.get("/oidc/start").status_code == browser.get("/oidc/back?state=x").status_code == 404


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"oidc_issuer": "https://id.example.org"}, "oidc_client_id"),
        ({"oidc_issuer": "http://id.example.org", "oidc_client_id": "x"}, "https"),
        ({"oidc_issuer": "id.example.org", "oidc_client_id": "x"}, "https"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_the_start(tmp_path, given, problem):
    with pytest.raises(ConfigError, match=problem):
        provider_of(load(data_dir=tmp_path, **given))


def test_nothing_that_the_provider_names_is_fetched_without_tls_from_elsewhere(tmp_path):
    """A document that names an address in our own network, or leads elsewhere by a redirect, is refused."""
    asked = []

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            here = f"http://127.0.0.1:{self.server.server_port}"
            if len(asked) > 1:
                self.send_response(302)
                self.send_header("Location", f"{here}/elsewhere")
                self.end_headers()
                return
            named = dict.fromkeys(("authorization_endpoint", "token_endpoint"), f"{here}/x")
            body = json.dumps({"issuer": here, "jwks_uri": "http://10.0.0.1/keys", **named})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    issuer = f"http://127.0.0.1:{server.server_port}"
    for _ in ("an address without TLS", "a redirect"):
        provider = provider_of(load(data_dir=tmp_path, oidc_issuer=issuer, oidc_client_id="x"))
        with pytest.raises(Exception, match="did not work"):
            provider.address(Flow.begin(datetime.now(UTC)), b"k" * 32)
    server.shutdown()
    server.server_close()
    assert asked == ["/.well-known/openid-configuration"] * 2
