"""The wall in a real browser: what changes without a reload, and what it says when it is not live."""

import pytest

from tests.console.conftest import Office
from tests.support.chromium import Tab, chromium
from tests.support.live_walls import Farm
from tests.support.prints import frame
from tests.support.servers import running

FIRST = "document.querySelector('.print')"


@pytest.fixture
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def farm(office):
    account = office.account("Farm")
    office.user("ann@example.org", account)
    return Farm(office.server, account)


@pytest.fixture
def tab(browser, office, farm):
    context = browser.new_context()
    tab = Tab(context, office.server.url)
    tab.sign_in("ann@example.org")
    yield tab
    context.close()


def printing(office, farm, pictures, **labels):
    """A print with these failure probabilities, through the wire."""
    key, _ = office.server.new_key_of(farm.account)
    context = office.server.create_context(key, labels).json()["ContextId"]

    def go_on(failures, begin=0):
        for number, failure in enumerate(failures, begin):
            office.server.clock.advance(60)
            assert office.server.process(key, context, frame(failure, number)).status_code == 200

    go_on(pictures)
    return context, go_on


def test_a_print_fails_and_card_title_and_icon_show_it_without_a_reload(tab, office, farm):
    _, go_on = printing(office, farm, [0.03] * 4, Name="Gearbox", Printer="Voron")
    tab.go("/")
    tab.until(f"{FIRST}.classList.contains('good')")
    tab.page.evaluate("window.sameVisit = true")
    go_on([0.95] * 8, begin=4)
    tab.until(f"{FIRST}.classList.contains('bad') && {FIRST}.innerText.includes('Pause suggested')")
    tab.until("document.title.startsWith('(1) ')")
    assert "mark-failing" in tab.page.get_attribute("link[rel=icon]", "href")
    assert tab.page.evaluate("window.sameVisit")
    tab.until("[...document.images].every(image => image.complete && image.naturalWidth)")
    assert tab.complaints == []


def test_a_false_alarm_is_shown_on_the_card_and_can_be_undone(tab, office, farm):
    printing(office, farm, [0.03] * 4 + [0.95] * 8, Name="Gearbox")
    tab.go("/?show=attention")
    tab.page.click("text=This is no failure")
    tab.page.wait_for_selector(".given:has-text('Marked as false alarm')")
    assert "show=attention" in tab.page.url
    assert "As marked by you" in tab.page.inner_text(".quality")
    tab.page.click("text=undo")
    tab.page.wait_for_selector("text=The feedback is withdrawn.")
    assert tab.page.query_selector(".given") is None
    tab.until(f"{FIRST}.classList.contains('bad')")


def test_a_marked_print_stays_marked_while_the_map_is_still_red(tab, office, farm):
    _, go_on = printing(office, farm, [0.03] * 4 + [0.95] * 8, Name="Gearbox")
    tab.go("/")
    tab.page.click("text=This is no failure")
    go_on([0.95] * 2, begin=12)
    tab.until(f"{FIRST}.dataset.key.startsWith('15.')")
    assert "As marked by you" in tab.page.inner_text(".quality")


def test_a_missed_failure_is_reported_on_the_card(tab, farm):
    farm.add(9)
    tab.go("/")
    tab.page.click("text=You missed a failure")
    tab.page.wait_for_selector(".given:has-text('Reported as a missed failure')")


def test_a_new_print_appears_where_there_was_none(tab, farm):
    tab.go("/")
    tab.page.wait_for_selector("text=No print is being watched")
    farm.add(9, name="Lamp shade")
    tab.page.wait_for_selector(".print:has-text('Lamp shade')")


def test_signing_out_elsewhere_ends_the_wall(tab, farm):
    farm.add(9)
    tab.go("/")
    other = Tab(tab.page.context, tab.url)
    other.go("/profile")
    other.page.click("text=Sign out")
    tab.page.wait_for_selector("#connection:has-text('You are signed out')")
    assert tab.page.get_attribute("#connection a", "href").startswith("/console/sign-in?next=/console/")
    assert tab.page.evaluate("document.getElementById('wall').classList.contains('stale')")


def test_a_killed_server_is_shown_at_once_and_its_return_too(browser, server_settings, tmp_path):
    with running(server_settings) as server:
        office, port = Office(server, []), server.port
        office.user("ann@example.org", office.account("Farm"))
        Farm(server, 1).add(9)
        tab = Tab(browser.new_context(), server.url)
        tab.sign_in("ann@example.org")
        tab.page.wait_for_selector(".print.good")
        before = tab.page.inner_text("[data-ago] >> nth=0")
    tab.page.wait_for_selector("#connection:has-text('Not live')")
    assert tab.page.evaluate("document.getElementById('wall').classList.contains('stale')")
    tab.until(f"document.querySelector('[data-ago]').textContent !== {before!r}")
    with running(server_settings, port=port, clock=server.clock):
        tab.page.wait_for_selector("#connection", state="hidden")
        assert not tab.page.evaluate("document.getElementById('wall').classList.contains('stale')")


def test_names_from_clients_run_no_script(tab, farm):
    farm.add(1, name="<img src=x onerror=\"document.title='owned'\">", printer="'\"><script>1</script>")
    tab.go("/?group=printer")
    farm.add(9, name="second")
    tab.page.wait_for_selector(".print:has-text('second')")
    assert tab.page.query_selector(".print h3 img, h2 script") is None
    assert "owned" not in tab.page.title()


def test_without_javascript_the_wall_is_whole_and_reloads_itself(browser, office, farm):
    farm.add(1, 9)
    tab = Tab(browser.new_context(java_script_enabled=False), office.server.url)
    tab.sign_in("ann@example.org")
    assert len(tab.page.query_selector_all(".print")) == 2
    assert tab.page.title().startswith("(1) ")
    tab.page.click("text=This is no failure")
    tab.page.wait_for_selector(".given")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_wall_is_no_wider_than_its_window(tab, farm, width):
    farm.add(1, 9, name="n" * 120, printer="p" * 120)
    tab.page.set_viewport_size({"width": width, "height": 800})
    tab.go("/?group=printer")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
