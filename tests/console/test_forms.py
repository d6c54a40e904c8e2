"""Forms keep what was typed, say what is wrong beside the field, and never lead to a dead end."""

import re
from html.parser import HTMLParser

import pytest

from layerwatch.notify.channels import ChannelKind, add_channel
from tests.support.browser import PASSWORD, text_of


@pytest.fixture
def ann(office):
    office.user("ann@example.org", office.account("Acme"))
    return office.signed_in("ann@example.org")


def field(response, name):
    """The markup of a field's label."""
    found = re.search(rf'<label>[^<]* ?<input name="{name}".*?</label>', response.text, re.S)
    assert found, f"no field {name}"
    return found[0]


@pytest.mark.parametrize(
    ("action", "page", "sent", "wrong", "kept"),
    [
        ("/keys", "/keys", {"name": "garage", "addresses": "nowhere"}, "addresses", "name"),
        ("/alerts", "/settings", {"dollars": "lots", "email": "bob@example.org"}, "dollars", "email"),
        ("/settings", "/settings", {"name": "New name", "billing_email": "nobody"}, "billing_email", "name"),
        ("/members", "/settings", {"email": "nobody", "role": "member"}, "email", "email"),
    ],
)
def test_a_refused_form_keeps_its_input_and_says_what_is_wrong(ann, action, page, sent, wrong, kept):
    answer = ann.post(action, page, **sent)
    assert answer.status_code == 400
    (at_fault,) = re.findall(
        r'<input name="(\w+)"[^>]* aria-invalid[^>]*><span class="wrong"[^>]*role="alert"', answer.text
    )
    assert at_fault == wrong
    for name in {wrong, kept}:
        assert f'value="{sent[name]}"' in answer.text
    assert "Sign out" in answer.text


def test_the_choices_of_a_refused_form_are_kept(ann):
    answer = ann.post("/keys", "/keys", name="x", kind="test", dialect="2", addresses="nowhere")
    assert '<option value="test" selected>' in answer.text
    assert '<option value="2" selected>' in answer.text


def test_what_is_wrong_with_no_single_field_is_said_above_the_forms(ann):
    answer = ann.post("/settings/free-only", "/settings", free_only="off")
    assert re.search(r'<p class="error" role="alert">Set up payment first', answer.text)
    assert "Spend alerts" in answer.text


def test_sign_up_keeps_all_but_the_password(office):
    stranger = office.browser()
    answer = stranger.post(
        "/sign-up", "/sign-up", name="Works", email="eve@example.org", password="short-one-1"
    )
    assert answer.status_code == 400
    assert 'value="Works"' in answer.text and 'value="eve@example.org"' in answer.text
    assert "short-one-1" not in answer.text
    assert "12" in field(answer, "password")


def test_what_was_typed_is_shown_as_text(ann):
    answer = ann.post("/keys", "/keys", name='"><script>1</script>', addresses="<script>2</script>")
    assert "<script>1" not in answer.text and "<script>2" not in answer.text


def test_an_expired_sign_in_leads_to_the_sign_in_and_back(office, ann):
    with office.server.services.database.write() as session:
        from layerwatch.identity.models import WebSession

        session.query(WebSession).delete()
    page = ann.get("/usage?month=2026-01")
    assert page.headers["location"].startswith("/console/sign-in?next=%2Fconsole%2Fusage%3Fmonth%3D2026-01")
    assert "Your sign-in has ended" in ann.get(page.headers["location"].removeprefix("/console")).text
    sent = ann.http.post(
        "/console/keys", data={"name": "x"}, headers={"Referer": f"{office.server.url}/console/keys"}
    )
    assert sent.headers["location"].startswith("/console/sign-in?next=%2Fconsole%2Fkeys")
    form = {"email": "ann@example.org", "password": PASSWORD, "next": "/console/keys"}
    assert ann.post("/sign-in", "/sign-in", **form).headers["location"] == "/console/keys"


@pytest.mark.parametrize("referer", ["https://evil.example/console/keys", "/elsewhere", "", "::"])
def test_a_sign_in_never_redirects_elsewhere(office, referer):
    stranger = office.browser()
    answer = stranger.http.post("/console/keys", data={}, headers={"Referer": referer})
    assert answer.headers["location"] == "/console/sign-in?next=%2Fconsole%2F"


@pytest.mark.parametrize("path", ["/no-such-page", "/invoices/INV-999999", "/keys/1/x"])
def test_a_missing_page_has_the_menu(ann, path):
    answer = ann.get(path)
    assert answer.status_code == 404
    assert 'aria-label="Console"' in answer.text


def test_a_missing_page_shows_strangers_no_menu(office):
    answer = office.browser().get("/no-such-page")
    assert answer.status_code == 404 and 'aria-label="Console"' not in answer.text


def test_a_crash_has_the_menu(ann, monkeypatch):
    from layerwatch.console.pages import keys

    def crash(*_):
        raise RuntimeError("crash")

    monkeypatch.setattr(keys, "list_keys", crash)
    answer = ann.get("/keys")
    assert answer.status_code == 500
    assert 'aria-label="Console"' in answer.text and "RuntimeError" not in answer.text


def test_loading_the_page_of_a_new_key_again_neither_shows_nor_makes_one(ann):
    ann.post("/keys", "/keys", name="garage")
    first, again = text_of(ann.get("/keys")), text_of(ann.get("/keys"))
    assert "Your new key" in first and "Your new key" not in again
    assert again.count("garage") == 1


def test_a_secret_that_another_session_was_given_is_not_shown(office, ann):
    ann.post("/keys", "/keys", name="garage")
    eve = office.browser()
    office.user("eve@example.org", office.account("Evil"))
    eve.sign_in("eve@example.org")
    eve.http.cookies.set("layerwatch_once", ann.http.cookies["layerwatch_once"], path="/console/keys")
    assert "Your new key" not in eve.get("/keys").text


# What no field of ours takes, with a character that turns the direction of text.
UNUSABLE = "no\u202e such"


class FormsOf(HTMLParser):
    """The forms of a page that change something: (action, {name: type} of what a visitor fills in)."""

    def __init__(self, response):
        super().__init__()
        self.found, self._open = [], None
        self.feed(response.text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form" and given.get("method") == "post":
            self._open = {}
            self.found.append((given.get("action", ""), self._open))
        elif tag in ("input", "select", "textarea") and self._open is not None and "name" in given:
            kind = given.get("type", tag)
            if kind not in ("hidden", "checkbox", "radio", "file"):
                self._open[given["name"]] = kind

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = None


PAGES_WITH_FORMS = (
    "/profile",
    "/keys",
    "/keys/1",
    "/settings",
    "/notifications",
    "/notifications/1",
    "/operator",
    "/operator/accounts/1",
    "/operator/status-notes",
)


@pytest.mark.parametrize("path", PAGES_WITH_FORMS)
def test_every_form_that_refuses_keeps_what_was_typed_and_says_why_at_the_field(office, path):
    account = office.account("Acme")
    office.user("ann@example.org", account, operator=True)
    office.server.new_key_of(account)
    with office.server.services.database.write() as session:
        add_channel(
            session,
            account,
            kind=ChannelKind.WEBHOOK,
            name="Hook",
            address="https://example.org/hook",
            events=["print.ended"],
            now=office.server.clock.now(),
            private=False,
        )
    ann = office.signed_in("ann@example.org")
    forms = [(action, fields) for action, fields in FormsOf(ann.get(path)).found if fields]
    assert forms or path == "/operator"
    for action, fields in forms:
        answer = ann.post(action.removeprefix("/console"), path, **dict.fromkeys(fields, UNUSABLE))
        if answer.status_code == 303:
            continue  # any text will do, or the field may be empty
        assert answer.status_code in (400, 403), (action, answer.status_code)
        assert re.search(r'aria-invalid="true"[^>]*>(?:(?!</label>).)*?class="wrong"', answer.text, re.S), (
            action
        )
        sent = dict(FormsOf(answer).found)
        assert action in sent, f"{action} ends on another page"
        for name in (name for name, kind in fields.items() if kind not in ("password", "select")):
            value = f'name="{name}"[^>]* value="{UNUSABLE}"|name="{name}"[^>]*>{UNUSABLE}</textarea>'
            assert re.search(value, answer.text), (action, name)


def test_a_wrong_password_is_said_at_its_field_on_the_profile(ann):
    for action in ("/profile/password", "/profile/codes"):
        answer = ann.post(action, "/profile", password="not it", new="a new and long one")
        assert answer.status_code == 403
        assert answer.text.count('class="wrong"') == 1
        assert "The password is wrong." in field_of(answer, action, "password")
        assert "not it" not in answer.text


def test_a_weak_password_is_said_at_its_field_wherever_one_is_chosen(office, ann):
    weak = {"password": PASSWORD, "new": "short"}
    assert "12" in field_of(ann.post("/profile/password", "/profile", **weak), "/profile/password", "new")
    stranger = office.browser()
    stranger.post("/forgot", "/forgot", email="ann@example.org")
    path = office.link()
    answer = stranger.post("/reset", path, link=path.partition("link=")[2], password="short")
    assert "12" in field_of(answer, "/reset", "password")
    ann.post("/members", "/settings", email="bob@example.org", role="member")
    path = office.link()
    answer = stranger.post("/invitation/join", path, link=path.partition("link=")[2], password="short")
    assert "12" in field_of(answer, "/invitation/join", "password")
    assert "Acme" in answer.text


def test_a_refused_sign_in_keeps_the_address_and_a_wrong_code_its_field(office, ann):
    stranger = office.browser()
    answer = stranger.sign_in("ann@example.org", "not it")
    assert answer.status_code == 403
    assert 'value="ann@example.org"' in answer.text and "not it" not in answer.text
    assert re.search(r'<p class="error" role="alert">', answer.text)
    answer = ann.post("/profile/codes", "/profile", password=PASSWORD)
    assert "QR code" in answer.text
    answer = ann.post("/profile/codes/confirm", "/profile", code="000000")
    assert "This code is wrong" in field_of(answer, "/profile/codes/confirm", "code")
    assert "QR code" in answer.text


def field_of(response, action, name):
    """The markup of a field in the form with this action."""
    form = re.search(rf'<form method="post" action="/console{action}".*?</form>', response.text, re.S)
    assert form, f"no form {action}"
    found = re.search(rf'<label>[^<]*<input name="{name}".*?</label>', form[0], re.S)
    assert found, f"no field {name}"
    return found[0]
