"""One print's page and the list of all: what they show while it is watched and after its end."""

import re

import pytest
from sqlalchemy import select

from layerwatch.console.live_prints import LIVE
from layerwatch.identity.models import AuditEntry
from layerwatch.identity.roles import Role
from layerwatch.prints.kept_pictures import FOLDER
from tests.support.browser import text_of
from tests.support.courses import FAILING, HEALTHY, WatchedPrint, keep_pictures

MISCHIEF = '"><script>alert(1)</script>'


@pytest.fixture
def account(office):
    account = office.account("Farm")
    office.user("ann@example.org", account)
    return account


@pytest.fixture
def ann(office, account):
    return office.signed_in("ann@example.org")


@pytest.fixture
def watched(office, account):
    """A print that went well and then failed, of which pictures are kept."""
    keep_pictures(office.server, account)
    return (
        WatchedPrint(office.server, account, Name="Gearbox", Printer="Voron")
        .see(*HEALTHY, *FAILING)
        .written()
    )


def end(office):
    office.server.clock.advance(LIVE.total_seconds() + 60)


def test_the_page_shows_what_was_believed_and_why(ann, watched):
    page = text_of(ann.get(f"/prints/{watched.id}"))
    for words in ("Gearbox", "on Voron", "Pause suggested: spaghetti", "Warning: spaghetti"):
        assert words in page
    assert "towards a failure" in text_of(ann.get(f"/prints/{watched.id}?at=300"))
    assert re.search(r"Believed\s+failing (over )?9\d %", page)


def test_a_moment_of_the_past_is_shown_with_its_kept_picture(ann, watched):
    page = ann.get(f"/prints/{watched.id}?at=60")
    assert re.search(r"failing under 1 %|failing [1-5] %", text_of(page))
    picture, heat = (f"/prints/{watched.id}/pictures/60", f"/prints/{watched.id}/pictures/60/heat")
    assert f"/console{picture}" in page.text and f"/console{heat}" in page.text
    assert ann.get(picture).headers["content-type"] == "image/jpeg"
    assert ann.get(heat).text.startswith("<svg")
    assert text_of(ann.get(f"/prints/{watched.id}/moment?at=60")) in text_of(page)


def test_the_page_stays_after_the_end(office, ann, watched):
    end(office)
    page = ann.get(f"/prints/{watched.id}")
    assert "ended" in text_of(page) and "Last picture" in text_of(page)
    assert f"/console/prints/{watched.id}/pictures/720" in page.text
    assert "This is no failure" not in text_of(page)
    assert "http-equiv" not in page.text


def test_without_kept_pictures_the_course_is_there_all_the_same(office, account, ann):
    watched = WatchedPrint(office.server, account).see(*HEALTHY).written()
    end(office)
    page = ann.get(f"/prints/{watched.id}")
    assert "No pictures of this print are stored" in text_of(page)
    assert "<polyline" in page.text and '<img src="/console/prints' not in page.text
    assert list(office.server.services.objects.list(FOLDER)) == []


def test_who_did_what_is_shown(office, ann, watched):
    headers = {"X-API-Key": watched.key}
    url = f"/api/gadget/v1/feedback/{watched.id}"
    assert office.server.http.post(url, json={"Kind": "missed"}, headers=headers).status_code == 200
    ann.post(
        f"/prints/{watched.id}/feedback", f"/prints/{watched.id}", kind="false_alarm", **{"from": "print"}
    )
    ann.post(f"/prints/{watched.id}/feedback", f"/prints/{watched.id}", kind="undo", **{"from": "print"})
    page = " ".join(text_of(ann.get(f"/prints/{watched.id}")).split())
    assert f"Reported as a missed failure by API key {watched.key[:8]}…" in page
    assert "Marked as false alarm by ann@example.org" in page
    assert "Taken back: Marked as false alarm by ann@example.org" in page


def test_any_feedback_of_a_print_can_be_taken_back(ann, watched):
    page = f"/prints/{watched.id}"

    def given():
        return re.findall(r'name="feedback" value="(\d+)"', ann.get(page).text)

    for kind in ("missed", "false_alarm"):
        assert ann.post(f"{page}/feedback", page, kind=kind, **{"from": "print"}).status_code == 303
        watched.see(0.95)
    older, newer = given()
    ann.post(f"{page}/feedback", page, kind="undo", feedback=older, **{"from": "print"})
    assert given() == [newer]
    assert "As marked by you" in ann.get(page).text
    ann.post(f"{page}/feedback", page, kind="undo", feedback=newer, **{"from": "print"})
    assert given() == []
    watched.see(*FAILING)
    assert "As marked by you" not in ann.get(page).text
    assert 'print-status bad"' in ann.get(page).text or 'print-status watch"' in ann.get(page).text


def test_feedback_of_another_print_is_not_taken_back(office, account, ann, watched):
    other = WatchedPrint(office.server, account).see(*HEALTHY)
    ann.post(f"/prints/{other.id}/feedback", f"/prints/{other.id}", kind="missed", **{"from": "print"})
    (number,) = re.findall(r'name="feedback" value="(\d+)"', ann.get(f"/prints/{other.id}").text)
    ann.post(f"/prints/{watched.id}/feedback", f"/prints/{watched.id}", kind="undo", feedback=number)
    assert re.findall(r'name="feedback" value="(\d+)"', ann.get(f"/prints/{other.id}").text) == [number]


def test_the_printers_pauses_are_in_the_story(office, account, ann):
    watched = WatchedPrint(office.server, account).see(0.03, 0.03, state="Printing").see(0.03, state="PAUSED")
    watched.see(0.03, state="Printing").written()
    page = text_of(ann.get(f"/prints/{watched.id}"))
    assert "The printer reports a pause" in page and "The printer prints again" in page


def test_prints_are_listed_with_their_outcome(office, account, ann, watched):
    fine = WatchedPrint(office.server, account, Name="Lamp").see(*HEALTHY).written()

    def listed(query=""):
        return re.findall(r'<a href="/console/prints/(\w{30,})">', ann.get(f"/prints{query}").text)

    assert listed() == [fine.id, watched.id]
    assert listed("?show=alarm") == [watched.id]
    assert listed("?show=fine") == [fine.id]
    assert listed("?q=GEAR") == [watched.id] and listed("?q=voron") == [watched.id]
    assert listed("?q=100%25") == [] and listed("?page=99") == []
    assert listed("?show=live") == [fine.id, watched.id]
    office.server.clock.advance(800)
    assert listed("?show=live") == [fine.id]
    page = text_of(ann.get("/prints"))
    assert "Pause suggested" in page and "Fine" in page


def test_the_list_has_pages(office, account, ann):
    for number in range(31):
        WatchedPrint(office.server, account, Name=f"Print {number}").see(0.03)
    WatchedPrint(office.server, account).see(0.03).written()
    assert "page 1 of 2" in text_of(ann.get("/prints"))
    assert "Print 0" in text_of(ann.get("/prints?page=2"))


def test_pictures_are_kept_once_the_owner_says_so(office, account, ann):
    assert "not kept" in text_of(ann.get("/prints"))
    assert ann.post("/prints/keep-pictures", "/prints", keep="on").status_code == 303
    assert "are kept" not in text_of(ann.get("/prints")) and "small copy" in text_of(ann.get("/prints"))
    watched = WatchedPrint(office.server, account).written().see(0.03).written()
    assert len(list(office.server.services.objects.list(FOLDER))) == 1
    ann.post("/prints/keep-pictures", "/prints", keep="off")
    watched.written().see(0.03).written()
    assert len(list(office.server.services.objects.list(FOLDER))) == 1


def test_pictures_of_a_print_are_deleted_with_a_button(office, ann, watched):
    assert len(list(office.server.services.objects.list(FOLDER))) == 12
    answer = ann.post(f"/prints/{watched.id}/delete-pictures", f"/prints/{watched.id}")
    assert answer.status_code == 303
    assert list(office.server.services.objects.list(FOLDER)) == []
    assert ann.get(f"/prints/{watched.id}/pictures/60").status_code == 404
    assert "No picture of this print is stored" in text_of(ann.get(f"/prints/{watched.id}"))


def test_an_ended_print_is_deleted_whole_and_a_live_one_is_not(office, ann, watched):
    page = f"/prints/{watched.id}"
    refused = ann.post(f"{page}/delete", page)
    assert refused.status_code == 400 and "still being watched" in text_of(refused)
    end(office)
    assert ann.post(f"{page}/delete", page).status_code == 303
    assert list(office.server.services.objects.list(FOLDER)) == []
    assert "Gearbox" not in text_of(ann.get("/prints"))
    with office.server.services.database.read() as session:
        assert session.scalars(select(AuditEntry.action)).all()[-1] == "print deleted"


def test_a_reader_only_sees(office, account, watched):
    office.user("rob@example.org", account, Role.READ_ONLY)
    rob = office.signed_in("rob@example.org")
    page = rob.get(f"/prints/{watched.id}")
    assert page.status_code == 200
    assert "This is no failure" not in page.text and "Delete" not in page.text
    for path in (
        f"/prints/{watched.id}/delete-pictures",
        f"/prints/{watched.id}/delete",
        "/prints/keep-pictures",
    ):
        assert rob.post(path).status_code == 403


def test_names_from_clients_are_shown_as_text(office, account, ann):
    labels = {name: f"{name}{MISCHIEF}" for name in ("Name", "Printer", "Camera", "File")}
    watched = WatchedPrint(office.server, account, **labels).see(0.03, state=f"s{MISCHIEF}").written()
    for path in (f"/prints/{watched.id}", f"/prints/{watched.id}/moment", "/prints", f"/prints?q={MISCHIEF}"):
        assert "<script>alert" not in ann.get(path).text


def test_a_print_from_before_prints_had_pages_is_shown(office, account, ann):
    from tests.support.live_walls import Farm

    (context,) = Farm(office.server, account).add(9)
    page = ann.get(f"/prints/{context}")
    assert page.status_code == 200 and "Bracket 0" in text_of(page)


def test_there_is_no_page_for_a_print_that_never_was(ann):
    for context in ("a" * 40, "x", "pictures"):
        assert ann.get(f"/prints/{context}").status_code == 404


def test_an_unusual_moment_is_the_nearest_one(ann, watched):
    for at in ("0", "99999999", "-1", "x", "", "9" * 30, "%00"[:0]):
        assert ann.get(f"/prints/{watched.id}?at={at}").status_code == 200


def test_the_time_lapse_is_a_film_of_the_kept_pictures(ann, watched):
    film = ann.get(f"/prints/{watched.id}/time-lapse")
    assert film.headers["content-type"] == "image/webp" and film.content[:4] == b"RIFF"
    assert "time-lapse" in ann.get(f"/prints/{watched.id}").text


def test_there_is_no_time_lapse_without_kept_pictures(office, account, ann):
    watched = WatchedPrint(office.server, account).see(*HEALTHY).written()
    assert ann.get(f"/prints/{watched.id}/time-lapse").status_code == 404
