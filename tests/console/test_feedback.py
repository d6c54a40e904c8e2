"""People see the feedback that is kept of their account, and delete it with its pictures."""

import re

import pytest
from sqlalchemy import select

from layerwatch.identity.models import AuditEntry
from layerwatch.identity.roles import Role
from layerwatch.learning.models import FeedbackRow
from tests.support.prints import frame

URL = "/api/gadget/v1/feedback"


def give_feedback(office, account, pictures):
    """One feedback of the account on each of these pictures, each of another print."""
    key, _ = office.server.new_key_of(account)
    for picture in pictures:
        context = office.server.new_context(key)
        office.server.process(key, context, picture)
        answer = office.server.http.post(
            f"{URL}/{context}", json={"Kind": "missed"}, headers={"X-API-Key": key}
        )
        assert answer.status_code == 200


def kept(office):
    """The accounts of all feedback, and the number of picture files."""
    with office.server.services.database.read() as session:
        accounts = session.scalars(select(FeedbackRow.account_id).order_by(FeedbackRow.id)).all()
    return accounts, len(list(office.server.services.objects.list("examples")))


@pytest.fixture
def acme(office):
    account = office.account("Acme", share_pictures=True)
    office.user("ann@example.org", account)
    return account, office.signed_in("ann@example.org")


def test_a_member_deletes_one_feedback_and_its_picture(office, acme):
    account, browser = acme
    give_feedback(office, account, [frame(0.1, 0), frame(0.2, 0)])
    newest = re.search(r"/feedback/(\d+)/picture", browser.get("/feedback").text)[1]
    assert browser.get(f"/feedback/{newest}/picture").content == frame(0.2, 0)
    assert browser.post(f"/feedback/{newest}/delete", "/feedback").status_code == 303
    assert kept(office) == ([account], 1)
    assert browser.get(f"/feedback/{newest}/picture").status_code == 404
    with office.server.services.database.read() as session:
        assert session.scalars(select(AuditEntry.action)).all()[-1] == "feedback deleted"


def test_the_same_picture_of_another_account_stays(office, acme):
    account, browser = acme
    stranger = office.account("Stranger", share_pictures=True)
    for one in (account, stranger):
        give_feedback(office, one, [frame(0.1, 0)])
    assert kept(office) == ([account, stranger], 2)
    browser.post("/feedback/delete", "/feedback")
    assert kept(office) == ([stranger], 1)


def test_an_owner_deletes_all_feedback_of_the_account_and_no_one_elses(office, acme):
    account, browser = acme
    stranger = office.account("Stranger", share_pictures=True)
    give_feedback(office, stranger, [frame(0.3, 0)])
    give_feedback(office, account, [frame(0.1, 0), frame(0.2, 0)])
    browser.post("/feedback/delete", "/feedback")
    assert kept(office) == ([stranger], 1)
    assert "No feedback." in browser.get("/feedback").text


def test_who_may_only_read_deletes_nothing(office, acme):
    account, _ = acme
    give_feedback(office, account, [frame(0.1, 0)])
    office.user("rae@example.org", account, Role.READ_ONLY)
    reader = office.signed_in("rae@example.org")
    assert "/delete" not in reader.get("/feedback").text
    for path in ("/feedback/1/delete", "/feedback/delete"):
        assert reader.post(path, "/feedback").status_code == 403
    assert kept(office) == ([account], 1)


def test_the_operator_deletes_from_the_review(office):
    account = office.account("Acme", share_pictures=True)
    give_feedback(office, account, [frame(0.1, 0)])
    operator = office.operator()
    number = re.search(r"/review/(\d+)/picture", operator.get("/review").text)[1]
    assert operator.post(f"/review/{number}/delete", "/review").status_code == 303
    assert kept(office) == ([], 0)


def test_an_owner_gives_and_withdraws_consent(office):
    account = office.account("Acme")
    office.user("ann@example.org", account)
    browser = office.signed_in("ann@example.org")
    give_feedback(office, account, [frame(0.1, 0)])
    assert kept(office) == ([account], 0)
    assert browser.post("/settings/share-pictures", "/settings", share="on").status_code == 303
    give_feedback(office, account, [frame(0.2, 0)])
    assert kept(office) == ([account, account], 1)
    assert browser.post("/settings/share-pictures", "/settings", share="off").status_code == 303
    assert kept(office) == ([account, account], 0)
    assert "not kept" in browser.get("/settings").text
    give_feedback(office, account, [frame(0.3, 0)])
    assert kept(office)[1] == 0


def test_a_member_gives_no_consent_for_the_account(office, acme):
    account, _ = acme
    office.user("max@example.org", account, Role.MEMBER)
    member = office.signed_in("max@example.org")
    assert member.post("/settings/share-pictures", "/settings", share="off").status_code == 403


def test_the_print_page_takes_a_verdict_with_details(office, acme):
    account, browser = acme
    key, _ = office.server.new_key_of(account)
    context = office.server.new_context(key)
    office.server.process(key, context, frame(0.1, 0))
    page = f"/prints/{context}"
    assert "Say more about this print" in browser.get(page).text
    sent = {"kind": "missed", "failure_type": "warping", "comment": "at the back", "keep_pictures": "no"}
    answer = browser.post(f"{page}/feedback", page, **sent, **{"from": "print"})
    assert answer.headers["location"].startswith(f"/console{page}?said=taught")
    with office.server.services.database.read() as session:
        row = session.scalars(select(FeedbackRow)).one()
        assert (row.kind, row.reported_type, row.comment) == ("missed", "warping", "at the back")
    assert kept(office) == ([account], 0)
    assert "Reported as a missed failure" in browser.get(page).text
    assert browser.post(f"{page}/feedback", page, kind="good", failure_type="dragons").status_code == 400
