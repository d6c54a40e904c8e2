"""The wall: which live prints it shows, in which order, and what an update of it weighs."""

import io
import json
import re
import time
from contextlib import ExitStack

import pytest
from PIL import Image, ImageStat

from layerwatch.console.live_feed import MAX_STREAMS_PER_SESSION
from layerwatch.console.picture_sheet import TILE_HEIGHT, TILE_WIDTH
from layerwatch.console.wall import PAGE_SIZE
from tests.console.conftest import Office
from tests.support.browser import text_of
from tests.support.live_walls import Farm
from tests.support.prints import frame
from tests.support.servers import running


@pytest.fixture
def farm(office):
    account = office.account("Farm")
    office.user("ann@example.org", account)
    return Farm(office.server, account)


@pytest.fixture
def ann(office, farm):
    return office.signed_in("ann@example.org")


def shown(response):
    """The ids of the cards, in their order."""
    return re.findall(r'<article class="print \w+" id="p-(\w+)"', response.text)


def events(browser, path, number):
    """The first events of a stream: (name, data)."""
    found, name = [], ""
    with browser.http.stream("GET", f"/console{path}") as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
                if len(found) == number:
                    return found
    return found


def test_a_failing_print_among_500_is_the_first_on_the_first_page(farm, ann):
    (failing,) = farm.add(1, name="Old failure", seconds_ago=120)
    farm.add(*[9] * 499)
    page = ann.get("/")
    assert shown(page)[0] == failing
    assert f"1 to {PAGE_SIZE} of 500" in text_of(page)
    assert "<title>(1) Prints" in page.text


def test_every_print_is_on_exactly_one_page(farm, ann):
    ids = farm.add(*[9] * 130)
    pages = [shown(ann.get(f"/?page={number}")) for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [48, 48, 34]
    assert sorted(one for page in pages for one in page) == sorted(ids)
    assert shown(ann.get("/?page=99")) == pages[2]


def test_places_are_stable_while_a_print_stays_in_its_class(farm, ann):
    first, second = farm.add(9, 7)
    (failing,) = farm.add(3)
    assert shown(ann.get("/")) == [failing, first, second]


def test_filters_show_what_needs_attention_and_what_is_not_seen(farm, ann):
    failing, _good = farm.add(2, 9)
    (unseen,) = farm.add(9, seconds_ago=300)
    assert shown(ann.get("/?show=attention")) == [failing, unseen]
    assert shown(ann.get("/?show=unseen")) == [unseen]
    assert "Not seen recently" in ann.get("/?show=unseen").text


@pytest.mark.parametrize("text", ["gearbox", "VORON", "box_v2.gcode"])
def test_search_finds_names_printers_and_files(farm, ann, text):
    (wanted,) = farm.add(9, name="Gearbox", printer="Voron 2", file="box_v2.gcode")
    farm.add(1, 9)
    assert shown(ann.get(f"/?q={text}")) == [wanted]
    assert shown(ann.get("/?q=nothing-like-it")) == []


def test_prints_are_grouped_by_printer_with_the_most_urgent_printer_first(farm, ann):
    (healthy,) = farm.add(9, printer="Alpha")
    also_healthy, failing = farm.add(9, 1, printer="Beta")
    page = ann.get("/?group=printer")
    assert shown(page) == [failing, also_healthy, healthy]
    assert re.findall(r'<h2 class="group">(\w+)', page.text) == ["Beta", "Alpha"]


def test_an_unknown_view_shows_all(farm, ann):
    farm.add(9)
    for query in ("show=x&page=-1", "page=999999999999999999999", "page=%C2%B2", "group=%00"[:8]):
        assert len(shown(ann.get(f"/?{query}"))) == 1


def test_names_from_clients_are_shown_as_text(farm, ann):
    mischief = '"><script>alert(1)</script>'
    farm.add(1, name=mischief, printer=f"p{mischief}", file=f"f{mischief}")
    for page in (ann.get("/"), ann.get("/?group=printer"), ann.get('/?q="><script>')):
        assert "<script>alert" not in page.text
    ((_, wall),) = [event for event in events(ann, "/live", 2) if event[0] == "news"][:1]
    assert "<script>alert" not in "".join(wall["cards"].values()) + wall["frame"]


def test_the_pictures_of_a_page_come_as_one_sheet(office, farm, ann):
    key, _ = office.server.new_key_of(farm.account)
    ids = []
    for number in range(3):
        ids.append(office.server.create_context(key, {"Name": f"Print {number}"}).json()["ContextId"])
        assert office.server.process(key, ids[-1], frame(0.03, number)).status_code == 200
    page = ann.get("/").text
    (address,) = re.findall(r'<image id="sheet"[^>]* href="/console([^"]+)"', page)
    assert page.count('<use href="#sheet"') == 3
    answer = ann.get(address)
    sheet = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == "image/jpeg"
    assert sheet.size == (TILE_WIDTH, 3 * TILE_HEIGHT)
    tiles = [sheet.crop((0, TILE_HEIGHT * n, TILE_WIDTH, TILE_HEIGHT * (n + 1))) for n in range(3)]
    assert all(ImageStat.Stat(tile).stddev[0] > 1 for tile in tiles), "a tile is empty"


@pytest.mark.parametrize("asked", ["", "no-such-print", ",", "x" * 2000])
def test_a_sheet_of_prints_that_do_not_exist_is_not_found(farm, ann, asked):
    farm.add(9)
    assert ann.get(f"/live/pictures?prints={asked}").status_code == 404


def test_a_sheet_shows_no_other_accounts_prints(office, farm, ann):
    (own,) = farm.add(9)
    (other,) = Farm(office.server, office.account("Other")).add(9)
    assert ann.get(f"/live/pictures?prints={own}").status_code == 200
    assert ann.get(f"/live/pictures?prints={own},{other}").status_code == 404


def test_an_update_of_500_prints_is_small(farm, ann, office):
    office.server.services.recent.elsewhere = lambda _: []  # so every card has its picture
    farm.add(1, *[9] * 499)
    walls = [data for name, data in events(ann, "/live", 2) if name == "news"]
    whole = json.dumps(walls[0], ensure_ascii=False)
    assert len(walls[0]["cards"]) == PAGE_SIZE
    assert len(whole.encode()) < 60_000


def test_a_stream_sends_only_the_cards_that_changed(farm, ann, office):
    farm.add(*[9] * 20)
    found = []
    with ann.http.stream("GET", "/console/live") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and "cards" in line:
                found.append(json.loads(line.removeprefix("data: ")))
                if len(found) == 1:
                    (new,) = farm.add(2)
                else:
                    break
    assert len(found[0]["cards"]) == 20 and found[0]["failing"] == 0
    assert list(found[1]["cards"]) == [new] and found[1]["failing"] == 1


def test_a_stream_ends_with_the_session(farm, office):
    farm.add(9)
    reader = office.signed_in("ann@example.org")
    names = []
    with reader.http.stream("GET", "/console/live") as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
                if len(names) == 1:
                    other = office.browser()
                    other.http.cookies = reader.http.cookies
                    assert other.post("/sign-out", "/profile").status_code == 303
    assert names[-1] == "ended"


def test_a_session_holds_a_limited_number_of_streams(farm, ann):
    with ExitStack() as open_streams:
        lines = [
            open_streams.enter_context(ann.http.stream("GET", "/console/live")).iter_lines()
            for _ in range(MAX_STREAMS_PER_SESSION)
        ]
        assert all(next(one).startswith("retry") for one in lines)
        assert [name for name, _ in events(ann, "/live", 1)] == ["busy"]


def test_open_streams_do_not_keep_the_server_from_stopping(server_settings):
    with ExitStack() as after, running(server_settings) as server:
        browser = Office(server, []).operator()
        stream = after.enter_context(browser.http.stream("GET", "/console/live"))
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        began = time.monotonic()
        server.stop()
        assert "event: ended" not in list(lines)
        assert time.monotonic() - began < 4, "the server waited for its grace period of 5 s"


def test_the_empty_page_names_a_command_that_leads_to_it(office, ann):
    page = text_of(ann.get("/"))
    assert f"layerwatch watch http://CAMERA/snapshot.jpg --server {office.server.url} --key" in page


def test_the_command_names_the_public_address(open_office):
    office = open_office(public_url="http://watch.example.org")
    office.user("ann@example.org", office.account("Farm"))
    page = text_of(office.signed_in("ann@example.org").get("/"))
    assert "--server http://watch.example.org --key" in page
