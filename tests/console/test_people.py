"""People and accounts, as they meet them in the console."""

import re
from datetime import UTC, datetime
from html import unescape

import pyotp
import pytest

from layerwatch.identity import devices, mail_limits, rate_limit
from layerwatch.identity.models import AuditEntry, Membership, User
from layerwatch.identity.roles import Role, members_of
from layerwatch.identity.totp import secret_of
from layerwatch.keys.models import ApiKey
from tests.support.browser import PASSWORD, text_of


def acme(office):
    """Acme's number and a browser of its owner."""
    account = office.account("Acme")
    office.user("owner@example.org", account)
    return account, office.signed_in("owner@example.org")


def invited(office, owner, email, role="owner"):
    """The path of the link in the mail of an invitation."""
    office.mails.clear()
    assert owner.post("/members", "/settings", email=email, role=role).status_code == 303
    return office.link()


def secret_in(link):
    return link.split("link=")[1]


def roles_in(office, account):
    with office.server.services.database.read() as session:
        return {user.email: role for user, role in members_of(session, account)}


def signed_up(office, email):
    """A browser signed in as somebody who never verified the address."""
    browser = office.browser()
    browser.post("/sign-up", "/sign-up", email=email, password=PASSWORD, name="Own works")
    browser.sign_in(email)
    office.link()
    return browser


def test_a_stranger_who_signed_up_with_the_invited_address_gains_nothing(office):
    account, owner = acme(office)
    stranger = signed_up(office, "ann@example.org")
    link = invited(office, owner, "ann@example.org")
    assert roles_in(office, account) == {"owner@example.org": Role.OWNER}
    assert "Acme" not in stranger.get("/accounts").text
    # Even with the link, an address that was not verified is refused.
    assert "Verify your own address first" in text_of(stranger.get(link))
    assert stranger.post("/invitation", "/profile", link=secret_in(link)).status_code == 400
    assert roles_in(office, account) == {"owner@example.org": Role.OWNER}


def test_the_owner_of_the_address_joins_and_shuts_the_stranger_out(office):
    account, owner = acme(office)
    stranger = signed_up(office, "ann@example.org")
    link = invited(office, owner, "ann@example.org")
    ann = office.browser()
    ann.post("/invitation/join", link, link=secret_in(link), password="vN3#kq9!xTz2")
    assert stranger.get("/keys").status_code == 303
    assert stranger.sign_in("ann@example.org").status_code == 403
    assert ann.post("/invitation", link, link=secret_in(link)).status_code == 303
    assert roles_in(office, account)["ann@example.org"] is Role.OWNER


def test_an_invitation_moves_no_one_to_another_account(office):
    """Ann's own account is the younger one, and she has a session open."""
    company, owner = acme(office)
    own = office.account("Ann's own")
    office.user("ann@example.org", own)
    ann = office.signed_in("ann@example.org")
    link = invited(office, owner, "ann@example.org")
    page = " ".join(text_of(ann.get(link)).split())
    assert "owner@example.org invites ann@example.org to the account Acme" in page
    assert "You keep working in Ann's own" in page
    assert ann.post("/invitation", link, link=secret_in(link)).status_code == 303
    assert "API keys of Ann's own" in text_of(ann.get("/keys"))
    # Nor does the next sign-in, once she has chosen.
    ann.post("/account", "/accounts", account=str(company))
    assert "API keys of Acme" in text_of(ann.get("/keys"))
    again = office.signed_in("ann@example.org")
    assert "API keys of Acme" in text_of(again.get("/keys"))


def test_an_operator_who_works_in_a_customers_account_comes_back_to_their_own(office):
    account, _ = acme(office)
    operator = office.operator()
    operator.post("/account", "/operator", account=str(account))
    assert "API keys of Acme" in text_of(operator.get("/keys"))
    assert "API keys of local" in text_of(office.operator().get("/keys"))


def test_a_member_who_was_removed_from_the_account_they_chose_works_in_their_own(office):
    company, owner = acme(office)
    own = office.account("Own")
    user = office.user("ann@example.org", own)
    link = invited(office, owner, "ann@example.org", "member")
    ann = office.signed_in("ann@example.org")
    ann.post("/invitation", link, link=secret_in(link))
    ann.post("/account", "/accounts", account=str(company))
    owner.post(f"/members/{user}/remove", "/settings")
    assert ann.get("/keys").status_code == 403
    assert "API keys of Own" in text_of(office.signed_in("ann@example.org").get("/keys"))


def test_who_is_not_signed_in_is_led_through_sign_in_to_the_invitation(office):
    _, owner = acme(office)
    office.user("ann@example.org", office.account("Ann's own"))
    link = invited(office, owner, "ann@example.org")
    ann = office.browser()
    page = ann.get(link).text
    assert "Sign in to accept" in page and "password" not in page
    form = re.search(r'href="/console(/sign-in\?next=[^"]+)"', page)[1]
    wanted = unescape(re.search(r'name="next" value="([^"]+)"', ann.get(form).text)[1])
    answer = ann.post("/sign-in", form, email="ann@example.org", password=PASSWORD, next=wanted)
    assert answer.headers["location"] == f"/console{link}"


def test_an_invitation_can_be_withdrawn(office):
    account, owner = acme(office)
    office.user("ann@example.org", office.account("Ann's own"))
    link = invited(office, owner, "ann@example.org")
    number = re.search(r"/invitations/(\d+)/withdraw", owner.get("/settings").text)[1]
    assert owner.post(f"/invitations/{number}/withdraw", "/settings").status_code == 303
    ann = office.signed_in("ann@example.org")
    assert ann.get(link).status_code == 400
    assert ann.post("/invitation", "/profile", link=secret_in(link)).status_code == 400
    assert "ann@example.org" not in roles_in(office, account)


def test_a_form_that_was_opened_in_another_account_makes_nothing(office):
    """Two tabs: in one the form to make a key, in the other Ann switches to another account."""
    first, second = office.account("First"), office.account("Second")
    user = office.user("ann@example.org", first)
    with office.server.services.database.write() as session:
        session.add(Membership(user_id=user, account_id=second, role="owner"))
    ann = office.signed_in("ann@example.org")
    assert "Make a key for First" in ann.get("/keys").text
    old = ann.form_token("/keys")
    ann.post("/account", "/accounts", account=str(second))
    stale = ann.http.post("/console/keys", data={"form_token": old, "name": "farm"})
    assert stale.status_code == 403 and "another account" in text_of(stale)
    with office.server.services.database.read() as session:
        assert session.query(ApiKey).count() == 0
    ann.post("/keys", "/keys", name="farm")
    assert "Your new key of Second" in ann.get("/keys").text


def test_seventy_invitations_in_a_row_are_not_mailed(office):
    _, owner = acme(office)
    token = owner.form_token("/settings")
    codes = [
        owner.http.post(
            "/console/members",
            data={"form_token": token, "email": f"{number}@example.org", "role": "member"},
        ).status_code
        for number in range(70)
    ]
    assert codes == [303] * mail_limits.PER_ACCOUNT_DAY + [429] * (70 - mail_limits.PER_ACCOUNT_DAY)


def test_spend_alerts_are_no_way_to_mail_many(office):
    _, owner = acme(office)
    token = owner.form_token("/settings")
    answers = []
    for _ in range(mail_limits.PER_RECIPIENT_HOUR + 1):
        fields = {"form_token": token, "dollars": "1", "email": "victim@example.org", "webhook": ""}
        answers.append(owner.http.post("/console/alerts", data=fields).status_code)
    assert answers[-1] == 429


def locked_out(office, email):
    """Somebody guesses until they are refused, from the same address as everybody else in this test."""
    guesser = office.browser()
    for _ in range(rate_limit.PER_USER + 1):
        refused = guesser.sign_in(email, "guess")
    assert refused.status_code == 429


def test_guesses_do_not_lock_out_a_known_browser(office):
    office.user("ann@example.org", office.account("Acme"))
    ann = office.signed_in("ann@example.org")
    ann.post("/sign-out")
    locked_out(office, "ann@example.org")
    assert ann.sign_in("ann@example.org").status_code == 303
    assert office.browser().sign_in("ann@example.org").status_code == 429


def test_guesses_do_not_keep_a_signed_in_user_from_changing_the_password(office):
    office.user("ann@example.org", office.account("Acme"))
    ann = office.signed_in("ann@example.org")
    locked_out(office, "ann@example.org")
    assert ann.post("/profile/password", password=PASSWORD, new="vN3#kq9!xTz2").status_code == 303
    # The browser is known under the new password, too.
    ann.post("/sign-out")
    assert ann.sign_in("ann@example.org", "vN3#kq9!xTz2").status_code == 303


def test_tries_at_the_password_in_one_session_are_limited(office):
    office.user("ann@example.org", office.account("Acme"))
    thief, ann = office.signed_in("ann@example.org"), office.signed_in("ann@example.org")
    codes = [
        thief.post("/profile/codes", password="guess").status_code for _ in range(rate_limit.PER_USER + 1)
    ]
    assert codes == [403] * rate_limit.PER_USER + [429]
    assert ann.post("/profile/codes", password=PASSWORD).status_code == 200


def test_after_a_reset_by_mail_the_browser_is_known(office):
    office.user("ann@example.org", office.account("Acme"))
    locked_out(office, "ann@example.org")
    ann = office.browser()
    ann.post("/forgot", "/forgot", email="ann@example.org")
    link = office.link()
    ann.post("/reset", link, link=secret_in(link), password="vN3#kq9!xTz2")
    assert ann.sign_in("ann@example.org", "vN3#kq9!xTz2").status_code == 303


def test_the_cookie_of_a_known_browser_is_out_of_reach_of_scripts(office):
    user = office.user("ann@example.org", office.account("Acme"))
    given = office.browser().sign_in("ann@example.org").headers.get_list("set-cookie")
    (cookie,) = [one for one in given if one.startswith(devices.cookie_name(user))]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/console" in cookie


@pytest.mark.parametrize("password", ["password1234", "qwertyuiop12", "ann.smith2026"])
def test_weak_passwords_are_refused_wherever_one_is_chosen(office, password):
    _, owner = acme(office)
    link = invited(office, owner, "ann.smith@example.org")
    browser = office.browser()
    joined = browser.post("/invitation/join", link, link=secret_in(link), password=password)
    form = {"email": "ann.smith@example.net", "password": password, "name": ""}
    signed_up_ = browser.post("/sign-up", "/sign-up", **form)
    office.user("ann.smith@example.com", None)
    browser.post("/forgot", "/forgot", email="ann.smith@example.com")
    link = office.link()
    reset = browser.post("/reset", link, link=secret_in(link), password=password)
    own = password.replace("ann.smith", "owner@example.org")
    changed = owner.post("/profile/password", password=PASSWORD, new=own)
    for answer in (joined, signed_up_, reset, changed):
        assert answer.status_code == 400 and "too easy to guess" in answer.text


def codes_on(office, email="ann@example.org"):
    """A browser of a user who switched one-time codes on; their secret and the page with recovery codes."""
    user = office.user(email, office.account("Acme"))
    browser = office.signed_in(email)
    browser.post("/profile/codes", password=PASSWORD)
    with office.server.services.database.read() as session:
        secret = secret_of(session.get(User, user), office.server.services.secrets.sessions)
    code = pyotp.TOTP(secret).at(datetime.now(UTC))
    return browser, secret, browser.post("/profile/codes/confirm", code=code)


def recovery_codes_on(page):
    return re.findall(r"\b[a-z2-9]{5}-[a-z2-9]{5}\b", text_of(page))


def test_a_wrong_code_at_set_up_keeps_the_secret_on_the_page(office):
    user = office.user("ann@example.org", office.account("Acme"))
    browser = office.signed_in("ann@example.org")
    first = browser.post("/profile/codes", password=PASSWORD)
    with office.server.services.database.read() as session:
        secret = secret_of(session.get(User, user), office.server.services.secrets.sessions)
    wrong = browser.post("/profile/codes/confirm", code="000000")
    assert wrong.status_code == 400 and secret in first.text and secret in wrong.text
    right = pyotp.TOTP(secret).at(datetime.now(UTC))
    assert browser.post("/profile/codes/confirm", code=right).status_code == 200


def test_recovery_codes_are_shown_once_and_sign_in_without_the_phone(office):
    browser, _, page = codes_on(office)
    codes = recovery_codes_on(page)
    assert len(codes) == 10
    assert recovery_codes_on(browser.get("/profile")) == []
    lost = office.browser()
    assert lost.sign_in("ann@example.org").headers["location"].startswith("/console/code")
    assert lost.post("/code", "/code", code=codes[0]).status_code == 303
    assert "9 recovery codes" in text_of(lost.get("/profile"))
    again = office.browser()
    again.sign_in("ann@example.org")
    assert again.post("/code", "/code", code=codes[0]).status_code == 403


def test_new_recovery_codes_need_the_password(office):
    browser, _, page = codes_on(office)
    refused = browser.post("/profile/codes/recovery", password="wrong")
    assert refused.status_code == 403 and recovery_codes_on(refused) == []
    renewed = recovery_codes_on(browser.post("/profile/codes/recovery", password=PASSWORD))
    assert len(renewed) == 10 and not set(renewed) & set(recovery_codes_on(page))


def test_the_operator_resets_a_users_codes_and_it_is_audited(office):
    browser, _, _ = codes_on(office)
    operator = office.operator()
    assert "ann@example.org" in operator.get("/operator/users?email=ANN@").text
    number = re.search(r"/operator/users/(\d+)/codes-off", operator.get("/operator/users").text)[1]
    office.mails.clear()
    assert operator.post(f"/operator/users/{number}/codes-off", "/operator/users").status_code == 303
    assert browser.get("/keys").status_code == 303, "every browser is signed out"
    assert office.browser().sign_in("ann@example.org").headers["location"] == "/console/"
    while not office.mails:
        pass
    assert (office.mails[0].to, "one-time codes" in office.mails[0].subject) == ("ann@example.org", True)
    with office.server.services.database.read() as session:
        entry = session.query(AuditEntry).filter_by(action="one-time codes reset").one()
        assert (entry.who, entry.detail) == ("operator@localhost", "ann@example.org")


def test_no_one_else_sees_users_or_resets_codes(office):
    codes_on(office)
    other = office.account("Other")
    office.user("eve@example.org", other)
    eve = office.signed_in("eve@example.org")
    assert eve.get("/operator/users").status_code == 404
    assert eve.post("/operator/users/1/codes-off").status_code == 404


HOSTILE = ["far\x1bm", "far\u202em", "far\u2028m", "far\x00m", "x" * 121, "\u200d"]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_names_with_control_or_direction_characters_are_refused_in_every_form(office, name):
    _, owner = acme(office)
    stranger = office.browser()
    form = {"email": "new@example.org", "password": PASSWORD, "name": name}
    answers = [
        owner.post("/keys", "/keys", name=name),
        owner.post("/settings", "/settings", name=name),
        owner.post("/members", "/settings", email=f"{name}@example.org", role="member"),
        owner.post("/alerts", "/settings", dollars="1", email=f"{name}@example.org"),
        stranger.post("/sign-up", "/sign-up", **form),
    ]
    assert {answer.status_code for answer in answers} == {400}


@pytest.mark.parametrize(
    "path",
    ["/invitation?link=%00", "/reset?link=%00", "/invoices/%00", "/verify?link=%00", "/usage?month=%00"],
)
def test_a_nul_in_an_address_is_a_bad_request_on_every_database(server_on_each, path):
    from tests.support.browser import Browser

    answer = Browser(server_on_each.url).get(path)
    assert answer.status_code in (400, 404)
    signing_in = Browser(server_on_each.url).post("/sign-in", "/sign-in", email="a\0@x.org", password="x")
    assert signing_in.status_code == 400
