"""Notification channels in a browser, with and without scripts: failing receivers, resend, secrets, forms."""

import re

import pytest

from layerwatch.identity.roles import Role
from tests.support.browser import text_of
from tests.support.chromium import Tab, chromium
from tests.support.posts import taking_posts

EVIL = '"><img src=x onerror=alert(1)>'


@pytest.fixture
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def office(open_office):
    office = open_office(webhooks_private=True)
    office.user("ann@example.org", office.account("Acme"))
    return office


@pytest.fixture
def posts():
    with taking_posts() as started:
        yield started


def test_a_failing_webhook_is_seen_in_the_log_and_resent(browser, office, posts):
    posts.status = 500
    tab = Tab(browser.new_context(), office.server.url)
    tab.page.on("dialog", lambda dialog: dialog.accept())
    tab.sign_in("ann@example.org")
    tab.page.click("nav >> text=Notifications")
    tab.page.fill("[name=name]", EVIL)
    tab.page.fill("[name=address]", posts.url)
    tab.page.check("[name='event:key.disabled']")
    tab.page.click("button:has-text('Add the channel')")
    secret = tab.page.inner_text("#secret")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}", secret)
    assert tab.page.inner_text("h1").startswith(EVIL)
    tab.page.reload()
    assert secret not in tab.page.content(), "shown once"
    tab.page.click("button:has-text('Send a test')")
    tab.page.wait_for_selector("#log .tag:has-text('retrying')")
    assert "500" in tab.page.inner_text("#log")
    posts.status = 200
    tab.page.click("button:has-text('Resend')")
    tab.page.wait_for_selector("#log .tag:has-text('delivered')")
    assert len(posts.got) >= 2 and posts.got[0][0]["webhook-id"] == posts.got[-1][0]["webhook-id"]
    tab.page.click("button:has-text('Remove')")
    tab.page.wait_for_selector("text=The channel is removed.")
    assert tab.complaints == []


def test_disabling_a_key_notifies_without_any_script(office, posts):
    ann = office.signed_in("ann@example.org")
    fields = {"kind": "webhook", "name": "Works", "address": posts.url, "event:key.disabled": "on"}
    added = ann.post("/notifications", **fields)
    path = added.headers["location"].removeprefix("/console").partition("?")[0]
    assert "whsec_" in ann.get(path).text
    assert "whsec_" not in ann.get(path).text
    ann.post("/keys", name="garage")
    ann.post("/keys/1/disable")
    assert posts.arrived.wait(20)
    assert b'"type": "key.disabled"' in posts.got[0][1] and b"garage" in posts.got[0][1]
    assert "key.disabled" in text_of(ann.get(path))


def test_a_paused_channel_gets_nothing_and_its_events_can_be_chosen(office, posts):
    ann = office.signed_in("ann@example.org")
    ann.post("/notifications", kind="webhook", name="Works", address=posts.url, **{"event:print.ended": "on"})
    changed = ann.post("/notifications/1", name="Hall", **{"event:key.disabled": "on"})
    assert changed.status_code == 303
    page = ann.get("/notifications/1").text
    assert re.search(r'name="event:key.disabled" checked', page)
    assert not re.search(r'name="event:print.ended" checked', page)
    ann.post("/notifications/1/pause", paused="on")
    ann.post("/keys", name="garage")
    ann.post("/keys/1/disable")
    assert "Nothing was sent yet." in ann.get("/notifications/1").text
    assert "paused" in text_of(ann.get("/notifications"))


def test_only_owners_see_all_of_a_webhooks_address(office):
    ann = office.signed_in("ann@example.org")
    secret = "https://chat.example.org/hooks/s3cr3t"
    ann.post("/notifications", kind="webhook", name="Chat", address=secret, **{"event:print.ended": "on"})
    office.user("bob@example.org", 1, Role.READ_ONLY)
    bob = office.signed_in("bob@example.org")
    for path in ("/notifications", "/notifications/1"):
        assert secret in ann.get(path).text
        assert "s3cr3t" not in bob.get(path).text and "https://chat.example.org/…" in bob.get(path).text


def test_mail_goes_to_members_only(office):
    ann = office.signed_in("ann@example.org")
    fields = {"kind": "mail", "name": "Mail", "event:print.ended": "on"}
    refused = ann.post("/notifications", "/notifications", address="victim@example.org", **fields)
    assert refused.status_code == 400 and 'value="victim@example.org"' in refused.text
    assert ann.post("/notifications", address="Ann@example.org", **fields).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"address": "ftp://example.org"}, "address"),
        ({"event:print.ended": ""}, "events"),
    ],
)
def test_a_refused_channel_keeps_its_input(office, wrong, field):
    ann = office.signed_in("ann@example.org")
    sent = {
        "kind": "webhook",
        "name": "Hall",
        "address": "https://example.org",
        "event:print.ended": "on",
    } | wrong
    answer = ann.post("/notifications", "/notifications", **{k: v for k, v in sent.items() if v})
    assert answer.status_code == 400
    assert 'class="wrong"' in answer.text
    if field != "name":
        assert 'value="Hall"' in answer.text
