"""What an account is notified of its prints: once each time it begins, with the print's names."""

import json
from datetime import timedelta

import pytest

from layerwatch.contexts.models import ContextRow
from layerwatch.notify.channels import ChannelKind, add_channel
from layerwatch.notify.repository import log_of
from layerwatch.prints.alarms import PrintAlarms
from layerwatch.prints.unseen import UNSEEN_FOR, PrintWatch
from tests.support.live_walls import Farm, answer
from tests.support.prints import frame

KINDS = ["print.warning", "print.pause_suggested", "print.not_seen", "print.ended"]


class Notified:
    """An account with a channel on a running server."""

    def __init__(self, server, events=KINDS):
        self.server = server
        self.key, self.account = server.new_key_of()
        with server.services.database.write() as session:
            self.channel = add_channel(
                session,
                self.account,
                kind=ChannelKind.MAIL,
                name="Workshop",
                address="ann@example.org",
                events=events,
                now=server.clock.now(),
                private=False,
            ).id
        self.watch = PrintWatch(server.services.database, PrintAlarms("https://example.org/console"))

    def pictures(self, failures, **labels):
        """A print with these failure probabilities, through the wire."""
        context = self.server.create_context(self.key, labels).json()["ContextId"]
        for number, failure in enumerate(failures):
            self.server.clock.advance(60)
            assert self.server.process(self.key, context, frame(failure, number)).status_code == 200
        return context

    def look(self, minutes=0.0):
        """Time passes, and the watch looks once a minute."""
        for _ in range(max(1, round(minutes))):
            self.server.clock.advance(60 * minutes / max(1, round(minutes)))
            self.watch.look(self.server.clock.now())

    @property
    def got(self):
        """The kinds of events so far, oldest first."""
        return [one.event for one in reversed(self.log())]

    def log(self):
        with self.server.services.database.read() as session:
            found = log_of(session, self.channel, 100)
            session.expunge_all()
            return found

    def change(self, context, **values):
        with self.server.services.database.write() as session:
            row = session.query(ContextRow).filter_by(id=context).one()
            for name, value in values.items():
                setattr(row, name, value)


@pytest.fixture
def notified(server):
    return Notified(server)


def test_a_failing_print_is_reported_once_as_a_warning_and_once_as_a_pause(server_on_each):
    notified = Notified(server_on_each)
    notified.pictures([0.03] * 4 + [0.95] * 10, Name="Gearbox", Printer="Voron")
    assert notified.got == ["print.warning", "print.pause_suggested"]
    newest = notified.log()[0]
    assert newest.title == "Gearbox on Voron: pause suggested"
    data = json.loads(newest.body)["data"]
    assert (data["name"], data["printer"]) == ("Gearbox", "Voron") and data["quality"] <= 3
    assert data["url"].startswith(server_on_each.url)


def test_a_healthy_print_is_not_reported(notified):
    notified.pictures([0.03] * 14)
    assert notified.got == []


def test_nothing_is_kept_for_an_account_without_a_channel_for_it(server):
    notified = Notified(server, events=["print.ended"])
    notified.pictures([0.03] * 4 + [0.95] * 10)
    assert notified.got == []


def test_a_print_that_ended_is_reported_once_and_again_only_after_it_went_on(notified):
    context = notified.pictures([0.03] * 3)
    notified.look(10)
    assert notified.got == []
    notified.look(20)
    assert notified.got == ["print.ended"]
    notified.change(context, inspected_at=notified.server.clock.now())
    notified.look()
    notified.look(16)
    assert notified.got == ["print.ended"] * 2


def test_a_blocked_camera_is_reported_after_five_minutes_and_anew_when_it_happens_again(notified):
    (context,) = Farm(notified.server, notified.account).add(9)
    blocked = answer(9).to_json().replace('"condition":"ok"', '"condition":"blocked"')

    def pictures(text, minutes):
        for _ in range(minutes):
            notified.change(context, answer=text, inspected_at=notified.server.clock.now())
            notified.look(1)

    pictures(blocked, UNSEEN_FOR // timedelta(minutes=1) - 1)
    assert notified.got == []
    pictures(blocked, 5)
    assert notified.got == ["print.not_seen"]
    assert "The view is blocked" in notified.log()[0].text
    pictures(answer(9).to_json(), 2)
    pictures(blocked, 8)
    assert notified.got == ["print.not_seen"] * 2


@pytest.mark.parametrize(
    ("progress", "reported"),
    [('{"progress":0.31}', ["print.not_seen"]), ('{"progress":0.99}', []), (None, [])],
)
def test_silence_is_reported_where_the_printer_had_not_finished(notified, progress, reported):
    (context,) = Farm(notified.server, notified.account).add(9)
    notified.change(context, progress=progress)
    notified.look(12)
    assert notified.got == reported


def test_several_nodes_report_once(server_on_each):
    from tests.support.at_once import at_once

    notified = Notified(server_on_each)
    Farm(server_on_each, notified.account).add(9, 9, 9)
    server_on_each.clock.advance(20 * 60)
    at_once(4, lambda: notified.watch.look(server_on_each.clock.now()))
    assert notified.got == ["print.ended"] * 3
