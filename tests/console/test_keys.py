"""A developer's keys in a real browser: made, renamed, replaced; requests, quick start, spend limit."""

import re

import pytest

from tests.support.browser import text_of
from tests.support.chromium import Tab, chromium

EVIL = '"><img src=x onerror=alert(1)>'


@pytest.fixture
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def ann(office):
    office.user("ann@example.org", office.account("Acme"))
    return office.signed_in("ann@example.org")


def made(office, ann, name="garage"):
    """The text of a key that was made by the form."""
    ann.post("/keys", "/keys", name=name)
    return re.search(r"prod_[0-9A-Za-z]{36}", ann.get("/keys").text)[0]


def test_a_key_is_made_renamed_used_and_replaced(browser, office, ann):
    tab = Tab(browser.new_context(), office.server.url)
    tab.page.on("dialog", lambda dialog: dialog.accept())
    tab.sign_in("ann@example.org")
    tab.page.click("nav >> text=API keys")
    tab.page.fill("[name=name]", "garage")
    tab.page.click("button:has-text('Make the key')")
    first = tab.page.inner_text("#new-key")
    tab.page.click("summary:has-text('Try it')")
    tab.page.click("label:has-text('Python')")
    assert f'Client("{first}", "{office.server.url}")' in tab.page.inner_text(".in-python")
    tab.page.click("td >> text=garage")
    tab.page.fill("[name=name]", EVIL)
    tab.page.click("button:has-text('Rename')")
    tab.page.wait_for_selector("text=Saved.")
    assert tab.page.inner_text("h1").startswith(EVIL)
    assert first not in tab.page.content() and f"{first[:8]}…" in tab.page.content()

    context = office.server.new_context(first)
    assert office.server.process(first, context).status_code == 200
    early = office.server.process(first, context)
    for _ in range(20):
        tab.page.reload()
        if early.headers["x-request-id"] in tab.page.content():
            break
        tab.page.wait_for_timeout(500)
    row = f"tr:has-text('{early.headers['x-request-id']}')"
    assert "429" in tab.page.inner_text(row) and "OE_CONTEXT_RATE_LIMITED" in tab.page.inner_text(row)
    assert "3 calls in 7 days, 1 failed" in tab.page.inner_text("main")
    tab.page.click("a:has-text('errors')")
    assert tab.page.locator("tbody tr").count() == 1

    tab.page.select_option("[name=overlap]", "24")
    tab.page.click("button:has-text('Make the new key')")
    second = tab.page.inner_text("#new-key")
    assert second != first
    for key in (first, second):
        assert office.server.create_context(key).status_code == 200
    assert "until" in tab.page.inner_text(f"tr:has-text('…{first[-4:]}')")
    assert tab.complaints == []


def test_every_step_works_without_a_script(office, ann):
    first = made(office, ann)
    assert ann.post("/keys/1/rename", "/keys/1", name="hall 2").status_code == 303
    assert "hall 2" in text_of(ann.get("/keys/1"))
    ann.post("/keys/1/rotate", "/keys/1", overlap="0")
    second = re.search(r"prod_[0-9A-Za-z]{36}", ann.get("/keys").text)[0]
    office.server.clock.advance(3)
    assert office.server.create_context(first).status_code == 403
    assert office.server.create_context(second).status_code == 200
    audit = text_of(ann.get("/audit"))
    assert "key renamed" in audit and "key replaced" in audit


@pytest.mark.parametrize(
    ("form", "fields", "wrong"),
    [("rename", {"name": ""}, "characters"), ("rotate", {"overlap": "99"}, "how long")],
)
def test_a_refused_form_leads_back_to_the_key(office, ann, form, fields, wrong):
    made(office, ann)
    answer = ann.post(f"/keys/1/{form}", "/keys/1", **fields)
    assert answer.status_code == 400 and wrong in answer.text and "Quick start" in answer.text


def test_a_spend_limit_is_set_shown_and_removed(office, ann):
    assert ann.post("/settings/spend-limit", "/settings", limit="12.50").status_code == 303
    page = text_of(ann.get("/settings"))
    assert "$12.50 a month" in page and "OE_FREE_USAGE_LIMIT_REACHED" in page
    assert "limit $12.50" in text_of(ann.get("/usage"))
    refused = ann.post("/settings/spend-limit", "/settings", limit="lots")
    assert refused.status_code == 400 and 'value="lots"' in refused.text
    ann.post("/settings/spend-limit", "/settings", limit="")
    assert "none A limit stops" in re.sub(r"\s+", " ", text_of(ann.get("/settings")))


def test_the_reference_shows_every_call_in_three_languages(browser, office):
    page = browser.new_page()
    page.goto(f"{office.server.url}/docs")
    shown = {"curl": "curl -X POST", "python": "httpx", "typescript": "await fetch"}
    for language, text in shown.items():
        page.click(f"label[for=in-{language}]")
        sample = page.locator(f"#createcontext ~ .sample.{language}").first
        assert sample.is_visible() and text in sample.inner_text()
        assert page.locator(".sample:visible").count() == page.locator(f".sample.{language}").count() >= 4
    page.click("nav >> text=feedback")
    assert page.evaluate("location.hash") == "#feedback"
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
