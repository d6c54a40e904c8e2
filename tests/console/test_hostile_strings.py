"""What clients and users write is shown as text, on every page and in a real browser."""

import pytest

from layerwatch.notify.channels import ChannelKind, add_channel
from tests.support.chromium import Tab, chromium
from tests.support.courses import FAILING, HEALTHY, WatchedPrint
from tests.support.live_walls import Farm

MARKUP = "\"'><img class=owned src=/x onerror=owned()><script class=owned></script>"
LABELS = ("Name", "Printer", "Camera", "File")


@pytest.fixture
def tab(office):
    account = office.account(MARKUP)
    office.user("ann@example.org", account, operator=True)
    watched = WatchedPrint(office.server, account, **dict.fromkeys(LABELS, MARKUP))
    watched.see(*HEALTHY, *FAILING).written()
    with office.server.services.database.write() as session:
        add_channel(
            session,
            account,
            kind=ChannelKind.WEBHOOK,
            name=MARKUP,
            address="https://example.org/hook?" + MARKUP.replace(" ", "+"),
            events=["print.ended"],
            now=office.server.clock.now(),
            private=False,
        )
    ann = office.signed_in("ann@example.org")
    ann.post("/keys", "/keys", name=MARKUP)
    ann.post("/settings/buyer", "/settings", billing_name=MARKUP, billing_address=MARKUP)
    ann.post(f"/operator/accounts/{account}/notes", f"/operator/accounts/{account}", text=MARKUP)
    ann.post("/operator/status-notes", "/operator/status-notes", text=MARKUP)
    with chromium() as browser:
        tab = Tab(browser.new_context(), office.server.url)
        tab.sign_in("ann@example.org")
        tab.watched = watched.id
        yield tab


PAGES = (
    "/",
    "/?group=printer",
    "/?q={markup}",
    "/prints",
    "/prints/{print}",
    "/keys",
    "/keys/1",
    "/keys/2",
    "/usage",
    "/invoices",
    "/notifications",
    "/notifications/1",
    "/settings",
    "/accounts",
    "/operator",
    "/operator/accounts/1",
    "/operator/audit",
    "/operator/audit?who={markup}",
    "/operator/status-notes",
    "/operator/users?email={markup}",
)


def test_no_string_of_a_client_becomes_markup_on_any_page(tab):
    made = []
    for path in PAGES:
        tab.go(path.replace("{print}", tab.watched).replace("{markup}", "%22%3E%3Cimg class=owned%3E"))
        if tab.page.query_selector(".owned"):
            made.append(path)
    assert made == []
    assert tab.complaints == []


def test_a_farm_of_500_with_three_failing_shows_them_first_and_counts_them(office):
    account = office.account("Farm")
    office.user("ann@example.org", account)
    failing = Farm(office.server, account).add(*[9] * 200, 1, *[9] * 150, 2, 3, *[9] * 147)
    failing = [failing[200], failing[351], failing[352]]
    with chromium() as browser:
        tab = Tab(browser.new_context(), office.server.url)
        tab.sign_in("ann@example.org")
        tab.page.wait_for_selector(".print")
        assert tab.page.title().startswith("(3) ")
        shown = tab.page.eval_on_selector_all(".print", "cards => cards.slice(0, 4).map(card => card.id)")
        assert set(shown[:3]) == {f"p-{one}" for one in failing} and shown[3] not in failing
        assert tab.page.eval_on_selector_all(".print.bad", "cards => cards.length") == 3
        assert "of 500" in tab.page.inner_text("#bar")
        tab.until("document.getElementById('connection').hidden")
        tab.go("/?show=attention")
        assert tab.page.eval_on_selector_all(".print", "cards => cards.length") == 3
