"""A print's page, the list and Try it in a real browser: what changes without a reload, and what runs."""

import pytest

from tests.support.chromium import Tab, chromium
from tests.support.courses import FAILING, HEALTHY, WatchedPrint, keep_pictures
from tests.support.fake_detector import picture

MISCHIEF = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def account(office):
    account = office.account("Farm")
    office.user("ann@example.org", account)
    keep_pictures(office.server, account)
    return account


@pytest.fixture
def tab(browser, office, account):
    context = browser.new_context()
    tab = Tab(context, office.server.url)
    tab.sign_in("ann@example.org")
    yield tab
    context.close()


def test_a_print_fails_and_its_page_shows_it_without_a_reload(tab, office, account):
    watched = WatchedPrint(office.server, account, Name="Gearbox").see(*HEALTHY).written()
    tab.go(f"/prints/{watched.id}")
    tab.page.wait_for_selector(".print-status.good")
    tab.page.evaluate("window.sameVisit = true")
    line = tab.page.get_attribute("polyline", "points")
    watched.see(*FAILING).written()
    tab.page.wait_for_selector(".print-status.bad")
    tab.page.wait_for_selector(".story .bad:has-text('Pause suggested')")
    tab.until("document.title.startsWith('(1) Gearbox')")
    tab.until(f"document.querySelector('polyline').getAttribute('points') !== {line!r}")
    tab.until("[...document.images].every(image => image.complete && image.naturalWidth)")
    assert tab.page.evaluate("window.sameVisit")
    assert tab.complaints == []


def test_a_false_alarm_and_its_undo_on_the_page(tab, office, account):
    watched = WatchedPrint(office.server, account).see(*HEALTHY, *FAILING).written()
    tab.go(f"/prints/{watched.id}")
    tab.page.click("text=This is no failure")
    tab.page.wait_for_selector(".given:has-text('Marked as false alarm')")
    tab.page.wait_for_selector(".story li:has-text('by ann@example.org')")
    tab.page.click(".given >> text=undo")
    tab.page.wait_for_selector("text=The feedback is withdrawn.")
    assert tab.page.query_selector(".given") is None
    tab.page.wait_for_selector(".print-status.bad")


def test_moments_are_scrubbed_through_without_a_reload(tab, office, account):
    watched = WatchedPrint(office.server, account).see(*HEALTHY, *FAILING).written()
    tab.go(f"/prints/{watched.id}")
    tab.page.evaluate("window.sameVisit = true")
    tab.page.eval_on_selector(
        "#at", "(range) => { range.value = 60; range.dispatchEvent(new Event('input')); }"
    )
    tab.page.wait_for_selector(".moment-bar b:has-text('1 min')")
    tab.until("document.querySelector('#view img').naturalWidth === 320")
    tab.page.click("[rel=next]")
    tab.page.wait_for_selector(".moment-bar b:has-text('2 min')")
    assert tab.page.url.endswith("?at=120")
    tab.page.click("text=Newest")
    tab.page.wait_for_selector(".moment-bar:has-text('newest')")
    assert tab.page.evaluate("window.sameVisit") and tab.complaints == []


def test_map_and_boxes_are_switched_off_and_stay_so(tab, office, account):
    watched = WatchedPrint(office.server, account).see(*HEALTHY, *FAILING).written()
    tab.go(f"/prints/{watched.id}")
    tab.page.uncheck("#heat-switch")
    tab.until("getComputedStyle(document.querySelector('.heat')).opacity === '0'")
    tab.go(f"/prints/{watched.id}?at=60")
    assert not tab.page.is_checked("#heat-switch")


def test_names_from_clients_run_no_script(tab, office, account):
    labels = {name: f"{name}{MISCHIEF}" for name in ("Name", "Printer", "Camera", "File")}
    watched = WatchedPrint(office.server, account, **labels).see(*HEALTHY, state=MISCHIEF).written()
    for path in (f"/prints/{watched.id}", "/prints", "/"):
        tab.go(path)
        tab.page.wait_for_timeout(300)
        assert tab.page.title() != "owned"
        assert tab.page.query_selector("img[src=x]") is None
    assert tab.complaints == []


def test_without_javascript_the_page_is_whole(browser, office, account):
    WatchedPrint(office.server, account, Name="Gearbox").see(*HEALTHY, *FAILING).written()
    tab = Tab(browser.new_context(java_script_enabled=False), office.server.url)
    tab.sign_in("ann@example.org")
    tab.page.click("text=Gearbox")
    tab.page.wait_for_selector(".print-status.bad")
    tab.page.click("[rel=prev]")
    tab.page.wait_for_selector(".moment-bar b:has-text('11 min')")
    tab.page.click("text=This is no failure")
    tab.page.wait_for_selector(".given:has-text('Marked as false alarm')")


def test_a_picture_is_tried_with_and_without_javascript(browser, tab, tmp_path, office):
    path = tmp_path / "one.jpg"
    path.write_bytes(picture(0.8))
    plain = Tab(browser.new_context(java_script_enabled=False), office.server.url)
    plain.sign_in("ann@example.org")
    for one in (tab, plain):
        one.go("/try")
        one.page.set_input_files("input[type=file]", path)
        one.page.click("text=Look at it")
        one.page.wait_for_selector(".tried:has-text('80 %')")
    assert tab.complaints == []


def test_several_pictures_are_tried_one_after_the_other(tab, tmp_path):
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(picture(0.2 + number / 10))
    tab.go("/try")
    tab.page.set_input_files("input[type=file]", paths)
    tab.page.click("text=Look at it")
    tab.until("document.querySelectorAll('.tried').length === 3")


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_are_no_wider_than_their_window(tab, office, account, width):
    watched = WatchedPrint(office.server, account, Name="n" * 120, Printer="p" * 120, File="f" * 120)
    watched.see(*HEALTHY, *FAILING).written()
    tab.page.set_viewport_size({"width": width, "height": 800})
    for path in (f"/prints/{watched.id}", "/prints", "/try"):
        tab.go(path)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width, path
