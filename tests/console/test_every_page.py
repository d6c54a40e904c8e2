"""What holds for every page: accessible, no wider than a phone, times in the reader's zone, compressed."""

import gzip
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from layerwatch.console.pages import ALL
from layerwatch.console.registry import Needs
from layerwatch.notify.channels import ChannelKind, add_channel, send_test
from tests.support.chromium import Tab, chromium
from tests.support.prints import frame

NOT_PAGES = {
    "/invitation",  # both need the link of a mail, which a stranger follows below
    "/reset",
    "/enter",
    "/live",
    "/usage.csv",
    "/audit.csv",
    "/operator/audit.csv",
    "/invoices/preview.pdf",
}


@pytest.fixture(scope="module")
def paths():
    """Every page that has no parameter, and one of each that has."""
    plain = [page.path for page in ALL if page.method == "GET" and "{" not in page.path]
    inside = [page.path for page in ALL if page.needs not in (Needs.NOTHING,)]
    chosen = [path for path in plain if path in inside and path not in NOT_PAGES]
    return [*chosen, "/keys/1", "/notifications/1", "/operator/accounts/1", "/no-such-page"]


def outside(office):
    """The pages for those who are not signed in, with the links that mails carry."""
    ann, stranger = office.signed_in("ann@example.org"), office.browser()
    stranger.post("/forgot", "/forgot", email="ann@example.org")
    reset = office.link()
    ann.post("/members", "/settings", email="bob@example.org", role="member")
    return ["/sign-in", "/sign-up", "/forgot", reset, office.link(), "/no-such-page"]


@pytest.fixture
def office(office):
    """With one of everything."""
    server, account = (
        office.server,
        office.account("Acme Printing and Prototyping of Long Names GmbH", share_pictures=True),
    )
    office.user("ann@example.org", account, operator=True)
    key, _ = server.new_key_of(account)
    context = server.new_context(key)
    assert server.process(key, context, frame(0.9, 1)).status_code == 200
    headers = {"X-API-Key": key}
    server.http.post(f"/api/gadget/v1/feedback/{context}", json={"Kind": "false_alarm"}, headers=headers)
    with server.services.database.write() as session:
        channel = add_channel(
            session,
            account,
            kind=ChannelKind.WEBHOOK,
            name="A channel with a long name that has to wrap somewhere",
            address="https://example.org/hooks/" + 60 * "a",
            events=["print.ended"],
            now=server.clock.now(),
            private=False,
        )
        send_test(session, channel, server.clock.now())
    return office


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_fits_a_phone_and_complains_of_nothing(office, paths, scheme):
    wide: list[str] = []
    faults: list[tuple[str, str, str]] = []
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": 360, "height": 740}, color_scheme=scheme, reduced_motion="reduce"
        )
        tab = Tab(context, office.server.url)

        def check(path):
            tab.go(path)
            if tab.page.evaluate("document.documentElement.scrollWidth") > 360:
                wide.append(path)
            found = Axe().run(tab.page).response["violations"]
            faults.extend((path, one["id"], one["nodes"][0]["html"][:120]) for one in found)

        for path in outside(office):
            check(path)
        tab.sign_in("ann@example.org")
        for path in paths:
            check(path)
    assert wide == []
    assert not faults, "\n".join(map(str, faults))
    assert [one for one in tab.complaints if "404" not in one] == []


def test_times_are_shown_in_the_readers_zone_and_in_utc_without_a_script(office):
    with chromium() as browser:
        for script, pattern in ((True, r"Jan 1, 2030, 9:00 PM"), (False, r"2030-01-01 12:00 UTC")):
            context = browser.new_context(
                timezone_id="Asia/Tokyo", locale="en-US", java_script_enabled=script
            )
            tab = Tab(context, office.server.url)
            tab.sign_in("ann@example.org")
            tab.go("/keys")
            shown = tab.page.inner_text("tbody").replace("\u202f", " ")
            assert re.search(pattern, shown), shown


def test_the_keyboard_skips_the_menu(office):
    with chromium() as browser:
        tab = Tab(browser.new_context(), office.server.url)
        tab.sign_in("ann@example.org")
        tab.go("/keys")
        tab.page.keyboard.press("Tab")
        assert tab.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        tab.page.keyboard.press("Enter")
        assert tab.page.evaluate("document.activeElement.id") == "content"


def raw(browser, path):
    """An answer as it came over the wire, and its headers."""
    with browser.http.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        return b"".join(answer.iter_raw()), answer.headers


def test_text_is_compressed_where_nothing_of_the_request_is_in_it(office):
    ann = office.signed_in("ann@example.org")
    for path in ("/console/keys", "/docs", "/openapi.json", "/console/static/style.css?v=1"):
        body, headers = raw(ann, path)
        assert headers["content-encoding"] == "gzip", path
        assert len(body) < len(gzip.decompress(body)) / 2
    for path in ("/console/operator/users?email=guess", "/console/invoices?said=saved"):
        _, headers = raw(ann, path)
        assert "content-encoding" not in headers, path
    refused = ann.post("/keys", "/keys", name="guess", addresses="nowhere")
    assert "content-encoding" not in refused.headers


def test_pictures_and_streams_are_not_compressed(office):
    ann = office.signed_in("ann@example.org")
    assert "content-encoding" not in raw(ann, "/console/review/1/picture")[1]
    with ann.http.stream("GET", "/console/live", headers={"Accept-Encoding": "gzip"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers


def test_no_two_pages_carry_the_same_form_token(office):
    ann = office.signed_in("ann@example.org")
    tokens = [ann.form_token("/keys") for _ in range(3)]
    assert len(set(tokens)) == 3
    for token in tokens:
        form = {"form_token": token, "name": "garage"}
        assert ann.http.post("/console/keys", data=form).status_code == 303
