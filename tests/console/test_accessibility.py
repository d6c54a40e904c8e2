"""axe finds nothing on the console's pages, in light and dark."""

import pytest

from tests.support.chromium import Tab, chromium
from tests.support.courses import FAILING, HEALTHY, WatchedPrint, keep_pictures

PAGES = (
    "/",
    "/prints",
    "/prints/{print}",
    "/prints/{print}?at=60",
    "/try",
    "/feedback",
    "/profile",
    "/settings",
)


def violations(tab):
    """What axe-core finds on the page, as text."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab.page.wait_for_timeout(300)  # colours fade in
    found = axe.run(tab.page).response["violations"]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(office, scheme):
    account = office.account("Farm")
    office.user("ann@example.org", account)
    keep_pictures(office.server, account)
    watched = WatchedPrint(office.server, account, Name="Gearbox", Printer="Voron")
    watched.see(*HEALTHY, *FAILING, progress="0.5", layer="3").written()
    WatchedPrint(office.server, account, Name="Lamp").see(*HEALTHY).written()
    with chromium() as browser:
        tab = Tab(browser.new_context(color_scheme=scheme, bypass_csp=True), office.server.url)
        tab.go("/sign-in")
        found = {"/sign-in": violations(tab)}
        tab.sign_in("ann@example.org")
        for path in PAGES:
            tab.go(path.replace("{print}", watched.id))
            found[path] = violations(tab)
    assert {path: what for path, what in found.items() if what} == {}
