"""What people do in the console, from page to effect."""

import re
from datetime import timedelta

from sqlalchemy import insert, select

from layerwatch.billing import Month
from layerwatch.billing.models import UsageHour
from layerwatch.identity.models import Account, AuditEntry
from layerwatch.identity.roles import Role, members_of
from layerwatch.keys import create_key
from layerwatch.learning.models import FeedbackRow
from layerwatch.telemetry.metrics import Metrics
from tests.console.conftest import Office
from tests.support.browser import PASSWORD, text_of
from tests.support.prints import frame
from tests.support.servers import running


def acme(office):
    """An account with a signed-in owner."""
    account = office.account("Acme")
    office.user("ann@example.org", account)
    return account, office.signed_in("ann@example.org")


def used(office, account, calls, month):
    server = office.server
    with server.services.database.write() as session:
        session.get(Account, account).created_at = month.start
        key = create_key(
            session, account, name="farm", pepper=server.services.secrets.api_keys, now=month.start
        ).row
        session.execute(
            insert(UsageHour).values(
                key_id=key.id,
                hour=month.hours[0],
                slot=0,
                account_id=account,
                test=False,
                calls=calls,
                last_at=month.start,
            )
        )


def test_a_key_made_here_is_shown_once_and_works_until_it_is_disabled(office):
    _, browser = acme(office)
    made = browser.post("/keys", "/keys", name="farm", kind="test", dialect="2", addresses="127.0.0.0/8")
    assert made.headers["location"] == "/console/keys"
    key = re.search(r"test_[0-9A-Za-z]{36}", browser.get("/keys").text)[0]
    assert key not in browser.get("/keys").text
    assert office.server.create_context(key).status_code == 200
    number = re.search(r"/keys/(\d+)/disable", browser.get("/keys").text)[1]
    assert browser.post(f"/keys/{number}/disable", "/keys").status_code == 303
    office.server.clock.advance(5)
    assert office.server.create_context(key).status_code == 403


def test_the_overview_shows_a_failing_print_first_and_learns_that_it_is_none(office):
    account, browser = acme(office)
    server = office.server
    key, _ = server.new_key_of(account)
    good, bad = server.new_context(key), server.new_context(key)
    for number in range(12):
        server.clock.advance(60)
        for context, failure in ((good, 0.03), (bad, 0.03 if number < 4 else 0.95)):
            assert server.process(key, context, frame(failure, number)).status_code == 200
    page = browser.get("/").text
    assert page.index(bad) < page.index(good)
    assert "Pause suggested" in page and "spaghetti" in page
    answer = browser.post(f"/prints/{bad}/feedback", "/", kind="false_alarm")
    assert answer.headers["location"] == "/console/?said=taught"
    with server.services.database.read() as session:
        row = session.scalars(select(FeedbackRow)).one()
        assert (row.account_id, row.context_id, row.kind) == (account, bad, "false_alarm")
    assert "Marked as false alarm" in browser.get("/").text and ">undo<" in browser.get("/").text
    answer = browser.post(f"/prints/{bad}/feedback", "/", kind="undo")
    assert answer.headers["location"] == "/console/?said=untaught"
    assert ">undo<" not in browser.get("/").text
    with server.services.database.read() as session:
        assert session.scalars(select(FeedbackRow)).all() == []


def test_a_print_that_ended_leaves_the_overview(office):
    account, browser = acme(office)
    key, _ = office.server.new_key_of(account)
    context = office.server.new_context(key)
    office.server.process(key, context, frame(0.03, 0))
    office.server.clock.advance(20 * 60)
    assert "No print is being watched" in browser.get("/").text


def test_usage_and_its_export(office):
    account, browser = acme(office)
    month = Month.of(office.server.clock.now())
    used(office, account, 12_345, month)
    page = text_of(browser.get("/usage"))
    assert "12,345" in page and "$2.938" in page
    export = browser.get(f"/usage.csv?month={month}")
    assert export.headers["content-type"].startswith("text/csv") and ",12345" in export.text
    assert browser.get("/usage?month=2030-13").status_code == 400


def test_the_operator_closes_a_month_and_books_its_payment(office):
    account, owner = acme(office)
    month = Month.of(office.server.clock.now()).previous
    used(office, account, 1_000_000, month)
    operator = office.operator()
    first = operator.post("/operator/close", "/operator")
    assert first.headers["location"] == "/console/operator?said=months-closed"
    again = operator.post("/operator/close", "/operator")
    assert again.headers["location"] == "/console/operator?said=nothing-to-close"
    assert "Nothing to close" in operator.get("/operator?said=nothing-to-close").text
    assert operator.get("/operator/audit").text.count(">months closed</td>") == 1
    assert "$398.00" in owner.get("/invoices").text
    number = re.search(r"INV-\d+", owner.get("/invoices").text)[0]
    assert owner.get(f"/invoices/{number}.pdf").content.startswith(b"%PDF-")
    assert owner.get(f"/invoices/{number}.json").json()["balance_cents"] == 39_800
    operator.post(f"/operator/invoices/{number}/pay", "/operator", reference="bank 1")
    assert owner.get(f"/invoices/{number}.json").json()["status"] == "paid"
    assert "payment booked" in operator.get("/operator/audit").text
    assert "payment booked" in owner.get("/audit").text


def test_the_operator_sees_what_came_of_pictures_by_address(open_office):
    office = open_office(obico_api=True)
    http = office.server.http
    http.get("/p/?img=ftp://example.org/x")
    http.get("/p/?img=http://127.0.0.1:1/x.jpg")
    page = office.operator().get("/operator").text
    assert "Pictures by address" in page
    rows = dict(re.findall(r"<tr><td>([^<]+)</td><td class=\"num\">(?:<[^>]+>)?(\d+)", page))
    assert rows["refused: no http or https address"] == "1"
    assert rows["not fetched: in a private network that LAYERWATCH_OBICO_HOSTS does not list"] == "1"
    assert rows["inspected, a failure is seen"] == "0"


class OtherWorkers:
    """The other worker processes of the same server: one, which has counted two failed fetches."""

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def metrics(self):
        other = Metrics()
        other.dropped_in("unreachable")
        other.dropped_in("unreachable")
        other.dropped_in("busy")
        here = Metrics()
        here.dropped_in("unreachable")
        return {"0": here.text(), "1": other.text()}

    def pictures(self, context_id):
        return []


def test_what_came_of_pictures_is_summed_over_the_workers(server_settings):
    settings = server_settings.model_copy(update={"obico_api": True})
    with running(settings, peers=lambda *_: OtherWorkers()) as server:
        page = Office(server, []).operator().get("/operator").text
    assert re.search(r"did not answer in time</td><td class=\"num\"><[^>]+>3<", page)


def test_without_the_drop_in_the_operator_sees_nothing_of_it(office):
    assert "Pictures by address" not in office.operator().get("/operator").text


def test_a_preview_is_a_pdf(office):
    _, browser = acme(office)
    assert browser.get("/invoices/preview.pdf").content.startswith(b"%PDF-")


def test_free_usage_only_can_be_switched_on_but_off_only_with_a_way_to_pay(office):
    account, browser = acme(office)
    assert browser.post("/settings/free-only", "/settings", free_only="on").status_code == 303
    assert browser.post("/settings/free-only", "/settings", free_only="off").status_code == 400
    with office.server.services.database.write() as session:
        session.get(Account, account).payment_ready = True
    assert browser.post("/settings/free-only", "/settings", free_only="off").status_code == 303
    with office.server.services.database.read() as session:
        assert not session.get(Account, account).free_only


def test_a_member_is_invited_by_mail_changed_and_removed(office):
    account, browser = acme(office)
    browser.post("/members", "/settings", email="new@example.org", role="read-only")
    link = office.link()
    guest = office.browser()
    joined = guest.post("/invitation/join", link, link=link.split("link=")[1], password=PASSWORD)
    assert joined.headers["location"] == f"/console{link}"
    assert guest.get("/keys").status_code == 403
    assert guest.post("/invitation", link, link=link.split("link=")[1]).status_code == 303
    assert guest.get("/keys").status_code == 200
    assert guest.post("/keys", "/profile", name="farm").status_code == 403
    with office.server.services.database.read() as session:
        (user_id,) = [user.id for user, role in members_of(session, account) if role is Role.READ_ONLY]
    browser.post(f"/members/{user_id}/role", "/settings", role="member")
    guest.post("/keys", "/keys", name="farm")
    assert "Your new key" in guest.get("/keys").text
    browser.post(f"/members/{user_id}/remove", "/settings")
    assert guest.get("/keys").status_code == 403


def test_the_last_owner_cannot_leave_the_account_without_one(office):
    account, browser = acme(office)
    with office.server.services.database.read() as session:
        ((owner, _),) = members_of(session, account)
        number = owner.id
    assert browser.post(f"/members/{number}/remove", "/settings").status_code == 400
    assert browser.post(f"/members/{number}/role", "/settings", role="member").status_code == 400


def test_a_spend_alert_is_set_and_removed(office):
    _, browser = acme(office)
    browser.post("/alerts", "/settings", dollars="12.50", email="ann@example.org", webhook="")
    page = browser.get("/settings").text
    assert "$12.50" in page
    number = re.search(r"/alerts/(\d+)/remove", page)[1]
    browser.post(f"/alerts/{number}/remove", "/settings")
    assert "$12.50" not in browser.get("/settings").text
    assert browser.post("/alerts", "/settings", dollars="lots", email="a@b.example").status_code == 400


def test_a_user_of_two_accounts_looks_at_one_and_then_the_other(office):
    first, second = office.account("First Works"), office.account("Second Works")
    user = office.user("ann@example.org", first)
    from layerwatch.identity.roles import set_role

    with office.server.services.database.write() as session:
        set_role(session, second, user, Role.MEMBER)
    browser = office.signed_in("ann@example.org")
    assert "First Works" in browser.get("/").text
    browser.post("/account", "/accounts", account=str(second))
    assert "Second Works" in browser.get("/").text


def test_what_was_done_is_in_the_audit_log(office):
    account, browser = acme(office)
    browser.post("/keys", "/keys", name="farm")
    with office.server.services.database.read() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["signed in", "key created"]
    assert "key created" in browser.get("/audit").text
    assert account


def test_the_operator_labels_a_picture_for_training(office):
    server = office.server
    key, _ = server.new_key_of(office.account("Acme", share_pictures=True))
    context = server.new_context(key)
    server.process(key, context, frame(0.9, 0))
    body = {"Kind": "false_alarm"}
    url = f"/api/gadget/v1/feedback/{context}"
    assert server.http.post(url, json=body, headers={"X-API-Key": key}).status_code == 200
    operator = office.operator()
    number = re.search(r"/review/(\d+)/picture", operator.get("/review").text)[1]
    assert operator.get(f"/review/{number}/picture").headers["content-type"] == "image/jpeg"
    operator.post(f"/review/{number}", "/review", label="good")
    assert "Nothing to review" in operator.get("/review").text


def test_an_overdue_account_sees_a_notice(office):
    account, browser = acme(office)
    with office.server.services.database.write() as session:
        session.get(Account, account).blocked_from = office.server.clock.now() - timedelta(hours=1)
    assert "overdue" in browser.get("/settings").text


def test_a_database_that_is_away_is_said_to_be(office, monkeypatch):
    from layerwatch.storage import Database, StorageUnavailable

    _, browser = acme(office)

    def away(*_):
        raise StorageUnavailable("away")

    monkeypatch.setattr(Database, "read", away)
    answer = browser.get("/keys")
    assert answer.status_code == 503 and "database" in answer.text
