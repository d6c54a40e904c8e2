"""Forms keep what was typed, say what is wrong beside the field, and never lead to a dead end."""

import re

import pytest

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
