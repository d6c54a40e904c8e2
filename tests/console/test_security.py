"""What an attacker tries. The routes come from the console's own table: a new page is tried too."""

import json
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import insert

from layerwatch.billing import Month
from layerwatch.billing.alerts import add_alert, list_alerts
from layerwatch.billing.closing import close
from layerwatch.billing.invoices import find_invoice, list_invoices
from layerwatch.billing.models import UsageHour
from layerwatch.billing.statement import statement
from layerwatch.config import load
from layerwatch.console.pages import ALL
from layerwatch.console.registry import Needs
from layerwatch.identity import invitations, rate_limit
from layerwatch.identity.models import Account, Membership, WebSession
from layerwatch.identity.roles import Role
from layerwatch.keys import create_key
from layerwatch.keys.models import ApiKey
from layerwatch.notify.channels import ChannelKind, add_channel, send_test
from layerwatch.notify.repository import channels_of, log_of
from tests.support.browser import PASSWORD, Browser
from tests.support.fake_detector import picture
from tests.support.terms import TERMS

PAGES = [(page.method, page.path, page.needs) for page in ALL]
MARK = "Belongs to B"
WINDOW_S = rate_limit.WINDOW.total_seconds()


def path_of(page, **values):
    return re.sub(r"\{(\w+)\}", lambda name: str(values[name[1]]), page)


def ids(values):
    return f"{values[0]} {values[1]}" if isinstance(values, tuple) else None


class TwoAccounts:
    """Account A, whose owner attacks, and account B with one of everything."""

    def __init__(self, office):
        self.office, server = office, office.server
        now, real_now = server.clock.now(), datetime.now(UTC)
        self.a = office.account("Account A")
        self.b = office.account(MARK, billing_email="b@example.org")
        office.user("a@example.org", self.a)
        self.b_user = office.user("b@example.org", self.b)
        self.attacker = office.signed_in("a@example.org")
        self.key, _ = server.new_key_of(self.b)
        self.context = server.new_context(self.key)
        self.repeat = str(uuid.uuid4())
        first = server.process(self.key, self.context, picture(0.9), repeat=self.repeat)
        assert first.status_code == 200
        with server.services.database.write() as session:
            row = create_key(session, self.b, name=MARK, pepper=server.services.secrets.api_keys, now=now).row
            self.key_id = row.id
            session.get(Account, self.b).created_at = now - timedelta(days=90)
            last = Month.of(now).previous
            session.execute(
                insert(UsageHour).values(
                    key_id=row.id,
                    hour=last.hours[0],
                    slot=0,
                    account_id=self.b,
                    test=False,
                    calls=1_000_000,
                    last_at=last.start,
                )
            )
            self.number = close(session, self.b, last, TERMS, now)[-1].invoice
            self.alert = add_alert(session, self.b, 5, email="b@example.org").id
            channel = add_channel(
                session,
                self.b,
                kind=ChannelKind.MAIL,
                name=MARK,
                address="b@example.org",
                events=["key.disabled"],
                now=now,
                private=False,
            )
            send_test(session, channel, now)
            session.flush()
            self.channel, (self.delivery,) = channel.id, [one.id for one in log_of(session, channel.id, 1)]
            invitations.invite(
                session, self.b, "friend@example.org", Role.MEMBER, by=self.b_user, base_url="", now=real_now
            )
            (self.invitation,) = [one.id for one in invitations.pending(session, self.b, real_now)]
        self.secrets = [MARK, "398.00", "b@example.org", "friend@example.org", self.context, self.key]
        self.secrets += [f"…{row.last_four}"]

    def values(self):
        """What fills the parameters of a path: everything is B's."""
        return {
            "key_id": self.key_id,
            "number": self.number,
            "alert_id": self.alert,
            "channel_id": self.channel,
            "delivery_id": self.delivery,
            "user_id": self.b_user,
            "invitation_id": self.invitation,
            "context_id": self.context,
            "account_id": self.b,
            "feedback_id": 1,
            "example_id": 1,
            "note_id": 1,
            "model": "packaged",
            "region": "nowhere",
            "second": 60,
        }

    def state_of_b(self):
        """Everything of B that a form could change."""
        with self.office.server.services.database.read() as session:
            account = session.get(Account, self.b)
            invoice = statement(session, find_invoice(session, self.number))
            return (
                (
                    *(account.name, account.free_only, account.billing_email, account.blocked_from),
                    account.share_pictures,
                ),
                [
                    (key.id, key.name, key.disabled_at)
                    for key in session.query(ApiKey).filter_by(account_id=self.b)
                ],
                [
                    (member.user_id, member.role)
                    for member in session.query(Membership).filter_by(account_id=self.b)
                ],
                [alert.id for alert in list_alerts(session, self.b)],
                [(one.name, one.paused_at, one.secret) for one in channels_of(session, self.b)],
                [one.email for one in invitations.pending(session, self.b, datetime.now(UTC))],
                (invoice.balance, invoice.entries),
            )


@pytest.fixture
def two(office):
    return TwoAccounts(office)


def test_nothing_of_another_account_can_be_seen_or_changed_on_any_route(two):
    """Owner A asks every page of the console for B's things, and sends every form at them."""
    before = two.state_of_b()
    tried = 0
    for method, path, _ in PAGES:
        address = path_of(path, **two.values())
        if path == "/live":
            continue  # a stream without an end, of the attacker's own account: tests/console/test_wall.py
        if method == "GET":
            answer = two.attacker.get(address)
        elif path in ("/sign-out", "/sign-in", "/code"):
            continue
        else:
            answer = two.attacker.post(
                address,
                account=str(two.b),
                name="hacked",
                kind="false_alarm",
                role="owner",
                free_only="on",
                dollars="1",
                email="a@example.org",
                reference="x",
                reason="x",
                label="good",
                password=PASSWORD,
                new="another password 12",
                link="x",
            )
        tried += 1
        seen = [secret for secret in two.secrets if secret in answer.text]
        assert seen == [], f"{method} {address} shows {seen}"
        assert answer.status_code < 500, f"{method} {address}: {answer.status_code}"
    assert tried > 40
    assert two.state_of_b() == before


def test_things_of_another_account_are_not_found_as_if_they_were_not_there(two):
    for method, path, _ in PAGES:
        if method == "GET" and "{" in path:
            theirs = two.attacker.get(path_of(path, **two.values()))
            nobodys = two.attacker.get(path_of(path, **dict.fromkeys(two.values(), 999_999)))
            assert theirs.status_code == nobodys.status_code == 404, path


def test_the_owner_of_b_does_see_them(two):
    """The test above would pass if nobody saw anything."""
    owner = two.office.signed_in("b@example.org")
    assert MARK in owner.get("/keys").text
    assert two.number in owner.get("/invoices").text
    assert two.context in owner.get("/").text
    assert owner.get(f"/prints/{two.context}/picture").headers["content-type"] == "image/jpeg"
    assert owner.get(f"/prints/{two.context}/heat").headers["content-type"] == "image/svg+xml"


def test_every_page_but_the_public_ones_needs_a_sign_in(office):
    stranger = office.browser()
    for method, path, needs in PAGES:
        if needs is Needs.NOTHING:
            continue
        address = path_of(path, **dict.fromkeys(re.findall(r"\{(\w+)\}", path), 1))
        if method == "GET":
            answer = stranger.get(address)
            assert answer.status_code == 303 and "/sign-in" in answer.headers["location"], address
        else:
            answer = stranger.post(address, "/sign-in")
            assert answer.status_code == 303 and "/sign-in?next=" in answer.headers["location"], address


def test_the_public_pages_are_these_and_no_others():
    assert {path for _, path, needs in PAGES if needs is Needs.NOTHING} == {
        "/sign-in",
        "/oidc/start",
        "/oidc/back",
        "/sign-out",
        "/sign-up",
        "/code",
        "/enter",
        "/invitation",
        "/invitation/join",
        "/forgot",
        "/reset",
    }


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.MEMBER])
def test_a_role_reaches_no_further_than_it_says(office, role):
    account = office.account("Acme")
    office.user("owner@example.org", account)
    office.user("low@example.org", account, role)
    browser = office.signed_in("low@example.org")
    beyond = {Needs.OWNER, Needs.OPERATOR} | ({Needs.MEMBER} if role is Role.READ_ONLY else set())
    for method, path, needs in PAGES:
        if needs in beyond:
            address = path_of(path, **dict.fromkeys(re.findall(r"\{(\w+)\}", path), 1))
            answer = browser.get(address) if method == "GET" else browser.post(address)
            assert answer.status_code in (403, 404), f"{method} {address}: {answer.status_code}"


def test_a_form_that_another_site_makes_the_browser_send_is_refused(two):
    """CSRF: the cookie comes along, the token does not. Every form of the console is tried."""
    attacked = two.office.signed_in("b@example.org")
    before = two.state_of_b()
    fields = {"name": "hacked", "free_only": "on", "role": "owner", "account": "1", "email": "x@example.org"}
    attackers_token = two.attacker.form_token("/keys")
    for method, path, _ in PAGES:
        if method == "POST":
            address = "/console" + path_of(path, **two.values())
            for forged in ({}, {"form_token": ""}, {"form_token": attackers_token}):
                assert attacked.http.post(address, data=fields | forged).status_code == 403, address
    assert two.state_of_b() == before


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_form_from_another_site_is_refused_even_with_a_right_token(office, headers):
    office.user("ann@example.org", office.account("Acme"))
    browser = office.signed_in("ann@example.org")
    data = {"form_token": browser.form_token("/keys"), "name": "farm"}
    assert browser.http.post("/console/keys", data=data, headers=headers).status_code == 403
    assert browser.http.post("/console/keys", data=data).status_code == 303


def test_a_session_cannot_be_fixed_beforehand(office):
    office.user("ann@example.org", office.account("Acme"))
    planted = "attacker-chose-this-token-0123456789abcdefgh"
    victim = office.browser()
    victim.http.cookies.set("layerwatch_session", planted, path="/console")
    victim.sign_in("ann@example.org")
    attacker = office.browser()
    attacker.http.cookies.set("layerwatch_session", planted, path="/console")
    assert attacker.get("/keys").status_code == 303


def test_signing_in_again_ends_the_session_before(office):
    office.user("ann@example.org", office.account("Acme"))
    browser = office.signed_in("ann@example.org")
    old = browser.session
    token = browser.form_token("/profile")
    data = {"form_token": token, "email": "ann@example.org", "password": PASSWORD}
    browser.http.post("/console/sign-in", data=data)
    assert browser.session != old
    other = office.browser()
    other.http.cookies.set("layerwatch_session", old, path="/console")
    assert other.get("/keys").status_code == 303


def test_passwords_cannot_be_guessed(office):
    office.user("ann@example.org", office.account("Acme"))
    browser = office.browser()
    codes = [
        browser.sign_in("ann@example.org", f"guess {n}").status_code for n in range(rate_limit.PER_USER + 1)
    ]
    assert codes == [403] * rate_limit.PER_USER + [429]
    locked = browser.sign_in("ann@example.org", PASSWORD)
    assert locked.status_code == 429 and 0 < int(locked.headers["Retry-After"]) <= 901


def test_the_limit_holds_for_guesses_sent_side_by_side(office):
    """The try is counted before the password is looked at."""
    from concurrent.futures import ThreadPoolExecutor

    office.user("ann@example.org", office.account("Acme"))
    browser = office.browser()
    data = {"form_token": browser.form_token("/sign-in"), "email": "ann@example.org", "password": "guess"}
    began = datetime.now(UTC)
    with ThreadPoolExecutor(16) as many:
        answers = many.map(lambda _: browser.http.post("/console/sign-in", data=data).status_code, range(24))
        checked = list(answers).count(403)
    new_window = began.timestamp() // WINDOW_S != datetime.now(UTC).timestamp() // WINDOW_S
    assert 1 <= checked <= rate_limit.PER_USER * (2 if new_window else 1)


def test_guessing_one_password_for_many_users_is_limited_by_address(office):
    with office.server.services.database.write() as session:
        for _ in range(rate_limit.PER_NETWORK):
            rate_limit.take(session, "sign-in network 127.0.0.1", rate_limit.PER_NETWORK, datetime.now(UTC))
    assert office.browser().sign_in("somebody@example.org", "x").status_code == 429


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(office):
    office.user("ann@example.org", office.account("Acme"))
    given = office.browser().sign_in("ann@example.org").headers.get_list("set-cookie")
    session = next(cookie for cookie in given if cookie.startswith("layerwatch_session="))
    assert "HttpOnly" in session and "SameSite=lax" in session and "Path=/console" in session


def test_cookies_are_for_https_only_where_the_server_is_reached_by_it(sqlite_url, tmp_path):
    from tests.support.servers import running

    settings = load(
        data_dir=tmp_path, database=sqlite_url, log_level="error", public_url="https://print.example.org"
    )
    with running(settings) as server:
        assert "Secure" in Browser(server.url).get("/sign-in").headers["set-cookie"]


def test_pages_are_kept_by_no_cache_and_framed_by_no_site(office):
    office.user("ann@example.org", office.account("Acme"))
    for answer in (office.signed_in("ann@example.org").get("/keys"), office.browser().get("/nothing")):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert office.browser().get("/sign-in").headers["cache-control"] == "no-store"


def test_what_a_user_writes_is_never_taken_for_markup(office):
    evil = "<script>alert(1)</script>"
    account = office.account(evil)
    office.user("ann@example.org", account)
    browser = office.signed_in("ann@example.org")
    browser.post("/keys", name=evil)
    browser.post(
        "/notifications",
        kind="webhook",
        name=evil,
        address="https://example.org/<script>",
        **{"event:print.ended": "on"},
    )
    assert "&lt;script&gt;" in browser.get("/notifications/1").text
    for path in (
        "/notifications",
        "/notifications/1",
        "/",
        "/keys",
        "/usage",
        "/settings",
        "/audit",
        "/invoices",
    ):
        assert evil not in browser.get(path).text


def test_a_form_is_bounded(office):
    browser = office.browser()
    assert browser.http.post("/console/sign-in", content=b"x" * 100_000).status_code == 413


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 500, b"=&=&", b"form_token=%00"])
def test_a_broken_form_is_refused_and_nothing_more(office, body):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert office.browser().http.post("/console/sign-in", content=body, headers=headers).status_code == 403


def test_no_session_or_link_can_be_read_from_the_database(office):
    office.user("ann@example.org", office.account("Acme"))
    browser = office.signed_in("ann@example.org")
    browser.post("/forgot", "/profile", email="ann@example.org")
    link = office.link().split("link=")[1]
    path = office.server.services.settings.data_dir
    with office.server.services.database.read() as session:
        assert session.query(WebSession).count() == 1
    stored = b"".join(file.read_bytes() for file in path.glob("*.sqlite3*"))
    assert browser.session.encode() not in stored
    assert link.encode() not in stored
    assert PASSWORD.encode() not in stored


def test_no_secret_is_logged(tmp_path):
    """Every secret that a busy hour makes, looked for in everything that a real server process wrote."""
    program = [sys.executable, "-m", "layerwatch", "serve", "--port", "0", "--data-dir", str(tmp_path)]
    with (tmp_path / "log").open("w+") as log:
        server = subprocess.Popen(
            [*program, "--log-level", "debug", "--json"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            began = json.loads(server.stdout.readline())
            link = began["console"].split("link=")[1]
            browser = Browser(began["url"])
            browser.enter(f"/enter?link={link}")
            browser.get(f"/enter?link={link}")  # used up
            browser.post("/keys", name="farm")
            key = re.search(r"prod_[0-9A-Za-z]{36}", browser.get("/keys").text)[0]
            form = browser.form_token("/keys")
            api = {"X-API-Key": key}
            context = httpx.post(f"{began['url']}/api/gadget/v1/createcontext", headers=api, trust_env=False)
            url = context.json()["ProcessRequestUrl"]
            for headers in (api, {"X-API-Key": key + "x"}, {"X-API-Key": key[:-1]}):
                httpx.post(url, headers=headers, files={"f": picture(0.5)}, trust_env=False)
            password = "a password to look for"
            Browser(began["url"]).sign_in("ann@example.org", password)
        finally:
            server.terminate()
            server.wait(30)
        log.seek(0)
        written = log.read() + server.stdout.read()
    secrets = load(data_dir=tmp_path).secrets()
    session = browser.session
    hidden = [key, link, session, form, password, secrets.api_keys.hex(), secrets.sessions.hex()]
    assert "process" in written and '"status": 200' in written, "nothing logged: this would prove nothing"
    assert [secret for secret in hidden if secret in written] == []


def test_an_invoice_is_paid_only_by_the_operator(two):
    owner = two.office.signed_in("b@example.org")
    assert owner.post(f"/operator/invoices/{two.number}/pay", reference="x").status_code == 404
    operator = two.office.operator()
    assert operator.post(f"/operator/invoices/{two.number}/pay", reference="bank 1").status_code == 303
    with two.office.server.services.database.read() as session:
        assert [row.balance for row in list_invoices(session, two.b)] == [0]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/settings", {"name": "Acme\nBcc: eve@example.org"}),
        ("/settings", {"name": "x" * 121}),
        ("/settings", {"name": "Acme", "billing_email": "a@example.org\r\nBcc: eve@example.org"}),
        ("/settings", {"name": "Acme", "billing_email": "nobody"}),
        ("/alerts", {"dollars": "5", "email": "a@example.org\nBcc: eve@example.org"}),
        ("/members", {"email": "a@example.org\nBcc: eve@example.org", "role": "member"}),
    ],
)
def test_names_and_addresses_that_would_break_a_mail_are_refused(office, path, fields):
    """One of them in the database would hold up the invoices of everybody after it."""
    office.user("ann@example.org", office.account("Acme"))
    assert office.signed_in("ann@example.org").post(path, **fields).status_code == 400
