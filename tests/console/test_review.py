"""The review in the console: what a reviewer sees, and that two people have to agree where it is set."""

import re

import pytest
from sqlalchemy import update

from layerwatch.identity.models import Account
from layerwatch.learning.review import reviewed
from tests.support.prints import frame


@pytest.fixture
def two_people(open_office):
    """An installation that wants two reviewers, with a picture that waits."""
    office = open_office(review_two_people=True)
    give(office, "missed", Comment="at the back left corner", FailureKind="warping")
    for name in ("ada", "bob"):
        office.user(f"{name}@example.org", None, operator=True)
    return office


def give(office, kind, **details):
    """Feedback of a consenting account on a print with names."""
    server = office.server
    key, _ = server.new_key_of(office.account("Acme Printing", share_pictures=True))
    names = {"Name": "Secret gearbox", "Printer": "Voron in the attic"}
    context = server.create_context(key, names).json()["ContextId"]
    assert server.process(key, context, frame(0.3, 0)).status_code == 200
    url, headers = f"/api/gadget/v1/feedback/{context}", {"X-API-Key": key}
    answer = server.http.post(url, json={"Kind": kind, **details}, headers=headers)
    assert answer.json()["ImagesKept"] == 1
    return context


def first(browser):
    """The picture that is shown, or None."""
    found = re.search(r"/review/(\d+)/picture", browser.get("/review").text)
    return None if found is None else int(found[1])


def labels(office):
    with office.server.services.database.read() as session:
        return [one.row.label for one in reviewed(session)]


def test_a_reviewer_sees_the_verdict_and_nothing_of_the_account_or_print(open_office):
    office = open_office()
    context = give(office, "missed", Comment="at the back left corner", FailureKind="warping")
    page = office.operator().get("/review").text
    assert "at the back left corner" in page and "warping" in page
    shown = re.sub(r"<header.*?</header>|<nav.*?</nav>", "", page, flags=re.S)
    for hidden in ("Acme", "gearbox", "Voron", context, context[:12]):
        assert hidden not in shown


def test_a_label_counts_once_two_people_gave_it(two_people):
    ada, bob = (two_people.signed_in(f"{name}@example.org") for name in ("ada", "bob"))
    number = first(ada)
    assert ada.post(f"/review/{number}", "/review", label="failed").status_code == 303
    assert (labels(two_people), first(ada), first(bob)) == ([], None, number)
    assert "you said" not in bob.get(f"/review?id={number}").text
    assert "ada@example.org" not in bob.get("/review/history").text
    assert bob.post(f"/review/{number}", "/review", label="failed").status_code == 303
    assert (labels(two_people), first(bob)) == (["failed"], None)
    assert "ada@example.org" in bob.get("/review/history").text


def test_a_picture_without_consent_is_not_shown(open_office):
    office = open_office()
    give(office, "false_alarm")
    operator = office.operator()
    number = first(operator)
    with office.server.services.database.write() as session:
        session.execute(update(Account).values(share_pictures=False))
    assert first(operator) is None
    for path in (f"/review/{number}/picture", f"/review/{number}/map"):
        assert operator.get(path).status_code == 404
    assert operator.post(f"/review/{number}", "/review", label="good").status_code == 400
