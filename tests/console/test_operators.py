"""What operators do in the console: users, accounts, notes, months, nodes, models, audit, status, review."""

import csv
import io
import re
from datetime import timedelta

import pytest

from layerwatch.billing.closing import close_months, newest_closable
from layerwatch.identity.models import Account, AuditEntry, User
from layerwatch.identity.roles import Role
from layerwatch.learning.models import ExampleRow
from tests.support.browser import text_of
from tests.support.chromium import Tab, chromium
from tests.support.prints import frame


@pytest.fixture
def acme(office):
    return office.account("Acme Printing", share_pictures=True)


@pytest.fixture
def operator(office, acme):
    office.user("op@example.org", None, operator=True)
    return office.signed_in("op@example.org")


def words(response):
    return re.sub(r"\s+", " ", text_of(response))


def recorded(office):
    """The actions in the audit log, oldest first."""
    with office.server.services.database.read() as session:
        return [row.action for row in session.query(AuditEntry).order_by(AuditEntry.id)]


def test_a_suspended_user_is_signed_out_and_cannot_sign_in_until_resumed(office, operator, acme):
    number = office.user("ann@example.org", acme)
    ann = office.signed_in("ann@example.org")
    assert ann.get("/keys").status_code == 200
    operator.post(f"/operator/users/{number}/suspend", "/operator/users", suspended="on")
    assert ann.get("/keys").status_code == 303
    refused = office.browser().sign_in("ann@example.org")
    assert refused.status_code == 403 and "suspended" in refused.text
    wrong = office.browser().sign_in("ann@example.org", "another password 12")
    assert "suspended" not in wrong.text, "only after the right password"
    assert "suspended" in words(operator.get("/operator/users"))
    operator.post(f"/operator/users/{number}/suspend", "/operator/users", suspended="off")
    assert office.browser().sign_in("ann@example.org").status_code == 303
    assert {"user suspended", "user resumed"} <= set(recorded(office))


def test_an_address_is_verified_by_the_operator(office, operator, acme):
    number = office.user("ann@example.org", acme)
    with office.server.services.database.write() as session:
        session.get(User, number).verified_at = None
    assert "not verified" in words(operator.get("/operator/users?email=ann"))
    operator.post(f"/operator/users/{number}/verify", "/operator/users")
    assert "not verified" not in words(operator.get("/operator/users?email=ann"))
    assert "address verified" in recorded(office)


def test_a_user_is_deleted_but_not_the_only_owner_nor_an_operator(office, operator, acme):
    owner = office.user("ann@example.org", acme)
    member = office.user("bob@example.org", acme, Role.MEMBER)
    bob = office.signed_in("bob@example.org")
    refused = operator.post(f"/operator/users/{owner}/delete", "/operator/users")
    assert refused.status_code == 400 and "only owner of Acme Printing" in refused.text
    assert operator.post(f"/operator/users/{member}/delete", "/operator/users").status_code == 303
    assert bob.get("/keys").status_code == 303
    assert office.browser().sign_in("bob@example.org").status_code == 403
    with office.server.services.database.read() as session:
        mine = session.query(User).filter_by(email="op@example.org").one().id
    for action in ("delete", "suspend"):
        assert operator.post(f"/operator/users/{mine}/{action}", suspended="on").status_code == 400
    assert "user deleted" in recorded(office)


def test_accounts_are_found_and_an_account_shows_everything(office, operator, acme):
    office.user("ann@example.org", acme)
    office.account("Other works", billing_email="books@other.example")
    office.server.new_key_of(acme)
    assert "Acme" not in words(operator.get("/operator?search=books@other"))
    assert "Acme Printing" in words(operator.get("/operator?search=ACME"))
    page = words(operator.get(f"/operator/accounts/{acme}"))
    assert "ann@example.org owner" in page and "farm" in page and "standard" in page
    assert operator.get("/operator/accounts/999").status_code == 404


def test_the_price_book_of_an_account_is_changed(office, operator, acme):
    path = f"/operator/accounts/{acme}"
    refused = operator.post(f"{path}/price-book", path, price_book="no such")
    assert refused.status_code == 400
    assert operator.post(f"{path}/price-book", path, price_book="local").status_code == 303
    with office.server.services.database.read() as session:
        assert session.get(Account, acme).price_book == "local"
    assert "standard to local" in words(operator.get("/operator/audit"))


def test_notes_on_an_account_are_for_operators_only(office, operator, acme):
    office.user("ann@example.org", acme)
    path = f"/operator/accounts/{acme}"
    evil = "<script>alert(1)</script> owes us a call"
    operator.post(f"{path}/notes", path, text=evil)
    page = operator.get(path)
    assert evil not in page.text and evil in text_of(page)
    ann = office.signed_in("ann@example.org")
    assert ann.get(path).status_code == 404
    assert operator.post(f"{path}/notes", path, text=" ").status_code == 400
    operator.post(f"{path}/notes/1/delete", path)
    assert "owes us" not in words(operator.get(path))
    assert {"note added", "note deleted"} <= set(recorded(office))


def test_an_operator_who_works_in_a_foreign_account_sees_whose_it_is(office, operator, acme):
    office.user("ann@example.org", acme)
    operator.post("/account", "/operator", account=str(acme))
    assert "You are looking at Acme Printing as its operator" in words(operator.get("/keys"))
    assert "You are looking at" not in words(office.signed_in("ann@example.org").get("/keys"))


def test_months_show_what_is_closed(office, operator, acme):
    services, now = office.server.services, office.server.clock.now()
    with services.database.write() as session:
        for account in session.query(Account):
            account.created_at = now - timedelta(days=60)
    month = newest_closable(now)
    assert f"{month} open" in words(operator.get("/operator/months"))
    close_months(services.database, month, services.terms, now)
    assert f"{month} closed" in words(operator.get("/operator/months"))


def test_prices_and_nodes_are_shown(office, operator):
    prices = words(operator.get("/operator/price-books"))
    assert "standard" in prices and "local" in prices and "free" in prices
    nodes = words(operator.get("/operator/nodes"))
    assert "local" in nodes and "lives" in nodes and "answers you" in nodes


def test_a_region_is_drained_and_given_prints_again(office, operator):
    drain = "/operator/regions/local/drain"
    operator.post(drain, "/operator/nodes", drain="on")
    assert "takes no new prints" in words(operator.get("/operator/nodes"))
    operator.post(drain, "/operator/nodes", drain="off")
    assert "takes no new prints" not in words(operator.get("/operator/nodes"))
    assert operator.post("/operator/regions/nowhere/drain", drain="on").status_code == 404
    assert {"region drained", "region undrained"} <= set(recorded(office))


def test_the_audit_log_is_filtered_and_exported(office, operator, acme):
    office.user("ann@example.org", acme)
    ann = office.signed_in("ann@example.org")
    ann.post("/keys", name="=cmd()")
    ann.post("/keys/1/disable")
    only = words(operator.get("/operator/audit?who=ANN&action=key+disabled"))
    assert "key disabled" in only.partition("Detail")[2] and "key created" not in only.partition("Detail")[2]
    assert "Nothing found." in words(operator.get("/operator/audit?to=2001-01-01"))
    assert "key created" in words(operator.get("/operator/audit?from=nonsense&before=x&account=y"))
    export = operator.get("/operator/audit.csv?action=key+created")
    assert export.headers["content-type"].startswith("text/csv")
    (row,) = list(csv.DictReader(io.StringIO(export.text)))
    assert (row["who"], row["action"], row["account"]) == ("ann@example.org", "key created", str(acme))
    own = ann.get("/audit.csv").text
    assert "op@example.org" not in own and "ann@example.org" in own


def test_a_detail_cannot_become_a_formula_in_a_spreadsheet(office, operator):
    operator.post("/operator/status-notes", text="=HYPERLINK(1)")
    rows = list(csv.DictReader(io.StringIO(operator.get("/operator/audit.csv").text)))
    assert "'=HYPERLINK(1)" in [row["detail"] for row in rows]


def test_a_status_note_is_on_the_status_page_until_a_week_after_it_is_over(open_office):
    office = open_office(status_page=True)
    office.user("op@example.org", None, operator=True)
    operator = office.signed_in("op@example.org")
    operator.post("/operator/status-notes", text="Planned work <b>tonight</b>")
    shown = office.server.http.get("/status")
    assert "Planned work &lt;b&gt;tonight" in shown.text
    assert office.server.http.get("/status.json").json()["Notes"][0]["EndedAt"] is None
    operator.post("/operator/status-notes/1/end")
    assert "over since" in words(operator.get("/operator/status-notes"))
    assert {"status note added", "status note ended"} <= set(recorded(office))


def test_pictures_are_reviewed_by_keyboard(office, acme):
    office.user("op@example.org", acme, operator=True)
    key, _ = office.server.new_key_of(acme)
    for number in range(3):
        context = office.server.new_context(key)
        assert office.server.process(key, context, frame(0.9, number)).status_code == 200
        feedback = f"/api/gadget/v1/feedback/{context}"
        office.server.http.post(feedback, json={"Kind": "false_alarm"}, headers={"X-API-Key": key})
    with chromium() as browser:
        tab = Tab(browser.new_context(), office.server.url)
        tab.sign_in("op@example.org")
        tab.page.click("nav >> text=Review")
        tab.until(
            "[...document.images].every(image => image.complete && (image.naturalWidth || image.hidden))"
        )
        assert tab.page.is_visible(".heat")
        tab.page.keyboard.press("m")
        tab.until("document.getElementById('picture').classList.contains('without-heat')")
        with tab.page.expect_navigation():  # keys that are pressed before the next page is there are lost
            tab.page.keyboard.press("g")
        tab.page.wait_for_selector("text=2 to label")
        with tab.page.expect_navigation():
            tab.page.keyboard.press("s")
        tab.page.keyboard.press("2")
        with tab.page.expect_navigation():
            tab.page.keyboard.press("f")
        tab.page.wait_for_selector("text=1 to label")
        tab.page.click("text=History")
        shown = tab.page.inner_text("tbody")
        assert "good" in shown and "failed" in shown and "op@example.org" in shown
        tab.page.click("tr:has-text('failed') >> text=Change")
        tab.page.click("button:has-text('Cannot say')")
        tab.page.wait_for_selector("text=Thank you")
        assert tab.complaints == []
    with office.server.services.database.read() as session:
        labels = sorted(row.label or "" for row in session.query(ExampleRow))
    assert labels == ["", "good", "other"]
    assert recorded(office).count("picture labelled") == 3
