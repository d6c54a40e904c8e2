"""A print is paused, resumed and cancelled from the wall: handed out once, done when the watcher says so."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from layerwatch.acting import exchange
from layerwatch.acting.actions import ask, connections
from layerwatch.acting.models import ConnectedPrintRow, PrintActionRow
from layerwatch.api.watcher_routes import PATH
from layerwatch.identity.roles import Role
from tests.support.browser import text_of
from tests.support.prints import frame


class Shop:
    """An account with one live print, its owner's browser, and a watcher of it."""

    def __init__(self, office):
        self.office, self.server = office, office.server
        self.account = office.account("Shop")
        office.user("ann@example.org", self.account)
        self.ann = office.signed_in("ann@example.org")
        self.key, _ = self.server.new_key_of(self.account)
        created = self.server.create_context(self.key, {"Name": "Gearbox", "Printer": "Voron"})
        self.print = created.json()["ContextId"]
        assert self.server.process(self.key, self.print).status_code == 200

    def exchange(self, *can, results=(), wait=0, key="", prints=None):
        """A request of the watcher; the whole answer."""
        if prints is None:
            prints = [{"ContextId": self.print, "Can": list(can)}]
        body = {"Prints": prints, "Results": list(results), "WaitSec": wait}
        return self.server.http.post(PATH, json=body, headers={"X-API-Key": key or self.key})

    def orders(self, *can, **more):
        return self.exchange(*can, **more).json()["Actions"]

    def ask(self, kind, browser=None):
        browser = browser or self.ann
        return browser.post(f"/prints/{self.print}/act", f"/prints/{self.print}/act?do={kind}", kind=kind)

    def wall(self):
        return text_of(self.ann.get("/"))

    def let_pass(self, seconds):
        """As if what was asked and taken so far had been so long ago."""
        with self.server.services.database.write() as session:
            for row in session.query(PrintActionRow):
                row.asked_at -= timedelta(seconds=seconds)
                row.expires_at -= timedelta(seconds=seconds)
                row.taken_at = row.taken_at and row.taken_at - timedelta(seconds=seconds)

    def audit(self):
        return text_of(self.ann.get("/settings"))


@pytest.fixture
def shop(office):
    return Shop(office)


def test_a_print_without_a_connected_watcher_has_no_buttons(shop):
    assert "act?do=" not in shop.ann.get("/").text
    assert shop.ask("pause").status_code == 400


def test_a_print_is_paused_from_its_card(shop):
    shop.exchange("pause", "cancel")
    page = shop.ann.get("/").text
    assert f"/prints/{shop.print}/act?do=pause" in page and "act?do=resume" not in page
    assert "Pause: Gearbox" in shop.ann.get(f"/prints/{shop.print}/act?do=pause").text
    assert shop.ask("pause").status_code == 303
    assert "Pause asked" in shop.wall() and "act?do=" not in shop.ann.get("/").text
    (order,) = shop.orders("pause", "cancel")
    assert (order["Kind"], order["ContextId"], order["AskedBy"]) == ("pause", shop.print, "ann@example.org")
    assert 0 < order["ExpiresInSec"] <= 60
    assert "Pause asked" in shop.wall(), "it is not done because it was handed out"
    shop.exchange("resume", "cancel", results=[{"ActionId": order["ActionId"], "Done": True}])
    assert "Pause done" in shop.wall() and "act?do=resume" in shop.ann.get("/").text


def test_an_action_is_handed_out_once_on_each_database(server_on_each):
    server, now = server_on_each, datetime.now(UTC)
    key, account = server.new_key_of()
    context = server.new_context(key)
    assert server.process(key, context).status_code == 200
    body = {"Prints": [{"ContextId": context, "Can": ["pause"]}]}

    def orders(**more):
        answer = server.http.post(PATH, json=body | more, headers={"X-API-Key": key})
        return answer.json()["Actions"]

    assert orders() == []
    with server.services.database.write() as session:
        ask(session, account, context, "pause", "ann@example.org", now)
    (order,) = orders()
    assert orders(Results=[{"ActionId": order["ActionId"], "Done": True}]) == []
    with server.services.database.read() as session:
        assert connections(session, account, now)[context].action.words == "Pause done"


def test_what_the_printer_did_not_do_is_shown_with_the_reason(shop):
    shop.exchange("pause")
    shop.ask("pause")
    (order,) = shop.orders("pause")
    result = {"ActionId": order["ActionId"], "Done": False, "Reason": "developer mode is <off>\x1b"}
    shop.exchange("pause", results=[result])
    assert "Pause: not done: developer mode is &lt;off&gt;" in shop.ann.get("/").text
    shop.exchange("pause", results=[{"ActionId": order["ActionId"], "Done": True}])
    assert "not done" in shop.wall(), "a report is taken once"


def test_an_action_is_handed_out_once_and_not_after_its_time(shop):
    shop.exchange("pause")
    shop.ask("pause")
    assert len(shop.orders("pause")) == 1 and shop.orders("pause") == []
    shop.let_pass(400)
    assert "not known: the watcher took it and has reported nothing" in shop.wall()
    shop.exchange("pause")
    shop.ask("pause")
    shop.let_pass(61)
    assert shop.orders("pause") == []
    assert "the watcher did not ask for it within 60 s" in shop.wall()


def test_one_action_at_a_time_and_only_what_the_printer_can_do(shop):
    shop.exchange("pause", "cancel")
    assert "cannot do this now" in shop.ask("resume").text
    assert shop.ask("pause").status_code == 303
    assert "still under way" in shop.ask("cancel").text


def test_a_waiting_watcher_gets_an_action_as_soon_as_it_is_asked(shop):
    shop.exchange("pause")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(shop.orders("pause", wait=20)))
    waiting.start()
    shop.ask("pause")
    waiting.join(10)
    assert [order["Kind"] for order in answers[0]] == ["pause"]


def test_no_watcher_waits_longer_than_the_server_has_room_for(shop, monkeypatch):
    monkeypatch.setattr(exchange, "MAX_WAITING_OF_ACCOUNT", 0)
    began = datetime.now(UTC)
    assert shop.orders("pause", wait=20) == []
    assert datetime.now(UTC) - began < timedelta(seconds=10)


def test_a_watcher_that_has_gone_takes_the_buttons_with_it(shop):
    shop.exchange("pause")
    with shop.server.services.database.write() as session:
        session.execute(update(ConnectedPrintRow).values(seen_at=datetime.now(UTC) - timedelta(seconds=61)))
    assert "act?do=" not in shop.ann.get("/").text
    assert shop.ask("pause").status_code == 400


def test_another_accounts_watcher_neither_gets_nor_ends_an_action(shop):
    other, _ = shop.server.new_key_of()
    assert shop.orders("pause", key=other) == []
    assert "act?do=" not in shop.ann.get("/").text, "a foreign key connects nothing"
    shop.exchange("pause")
    shop.ask("pause")
    assert shop.orders("pause", key=other) == []
    (order,) = shop.orders("pause")
    shop.exchange("pause", key=other, results=[{"ActionId": order["ActionId"], "Done": True}])
    assert "Pause asked" in shop.wall()


def test_who_may_only_read_sees_what_was_asked_and_cannot_ask(shop):
    shop.office.user("low@example.org", shop.account, Role.READ_ONLY)
    low = shop.office.signed_in("low@example.org")
    shop.exchange("pause")
    assert "act?do=" not in low.get("/").text
    assert low.get(f"/prints/{shop.print}/act?do=pause").status_code == 403
    shop.ask("pause")
    assert "Pause asked" in text_of(low.get("/"))


def test_asking_and_the_outcome_are_in_the_audit_log(shop):
    shop.exchange("pause")
    shop.ask("pause")
    (order,) = shop.orders("pause")
    shop.exchange("pause", results=[{"ActionId": order["ActionId"], "Done": True}])
    with shop.server.services.database.read() as session:
        from layerwatch.identity.audit import entries

        found = [(entry.who, entry.action) for entry in entries(session, shop.account)]
    assert ("ann@example.org", "print pause asked") in found
    assert any(who.startswith("watcher, key prod_") and action == "print pause" for who, action in found)


def test_the_prints_page_has_the_buttons_and_who_did_what(shop):
    shop.exchange("pause")
    page = f"/prints/{shop.print}"
    assert f"{page}/act?do=pause" in shop.ann.get(page).text
    shop.ask("pause")
    (order,) = shop.orders("pause")
    shop.exchange("pause", results=[{"ActionId": order["ActionId"], "Done": True}])
    story = text_of(shop.ann.get(page))
    assert "Pause: asked" in story and "Pause: done" in story and "the watcher" in story


def test_it_costs_nothing(shop):
    before = shop.server.billed(shop.account)
    shop.exchange("pause")
    assert shop.server.billed(shop.account) == before


@pytest.mark.parametrize(
    "body",
    [
        {"Prints": 1},
        {"Prints": [1]},
        {"Prints": [{}]},
        {"Prints": [{"ContextId": 7}]},
        {"Prints": [{"ContextId": "a", "Can": "pause"}]},
        {"Prints": [{"ContextId": "a"}] * 201},
        {"Results": [{"ActionId": "a"}]},
        {"Results": [{"ActionId": "a", "Done": True, "Reason": "x" * 500}]},
        {"WaitSec": 26},
        {"WaitSec": "5"},
        {"WaitSec": True},
    ],
)
def test_what_a_watcher_may_not_say_is_refused(shop, body):
    answer = shop.server.http.post(PATH, json=body, headers={"X-API-Key": shop.key})
    assert answer.status_code == 400 and answer.json()["ErrorType"] == "OE_BAD_ARGS"


def test_a_key_is_needed(shop):
    assert shop.server.http.post(PATH, json={}).status_code == 401


def test_levels_that_a_person_sets_count_from_the_next_picture_on(shop):
    """Of one print that fails for a while, level 1 warns and level 5 does not yet."""

    def warned(level):
        answer = shop.server.create_context(shop.key, {"WarningConfidenceLevel": 5, "Name": f"level {level}"})
        shop.print, seen = answer.json()["ContextId"], []
        for number, failure in enumerate([0.03] * 4 + [0.95] * 3):
            shop.server.clock.advance(60)
            seen.append(shop.server.process(shop.key, shop.print, frame(failure, number)).json())
            if number == 0:
                page = f"/prints/{shop.print}/levels"
                assert shop.ann.post(page, page, warning=str(level), pause="3").status_code == 303
                assert f"Levels {level}, 3" in shop.wall()
        return [answer["WarningSuggested"] for answer in seen]

    assert warned(1).index(True) < [*warned(5), True].index(True)


@pytest.mark.parametrize("level", ["0", "6", "", "x", "-1"])
def test_levels_are_numbers_from_1_to_5(shop, level):
    page = f"/prints/{shop.print}/levels"
    assert shop.ann.post(page, page, warning=level, pause="3").status_code == 400
