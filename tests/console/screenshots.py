"""Pictures of the console's pages, light and dark, 1280 and 360 px wide.

    python -m tests.console.screenshots OUT

A real server watches simulated prints; nothing is drawn for the occasion. `--only print` takes the pages
whose name contains the word.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import update

from layerwatch.identity.models import Account
from tests.support.chromium import Tab, chromium
from tests.support.simulated_farm import EMAIL, ENDED, PRINTS, SimulatedFarm, simulated_farm

WIDTHS = (1280, 360)
SCHEMES = ("light", "dark")


def pages(farm: SimulatedFarm) -> dict[str, str]:
    """Pages by name."""
    failing, ended = farm.prints[PRINTS[0].name], farm.prints[ENDED.name]
    return {
        "wall": "/",
        "prints": "/prints",
        "print-failing": f"/prints/{failing}",
        "print-moment": f"/prints/{failing}?at=600",
        "print-ended": f"/prints/{ended}",
        "try": "/try",
        "feedback": "/feedback",
        "keys": "/keys",
        "key": "/keys/1",
        "usage": "/usage",
        "invoices": "/invoices",
        "notifications": "/notifications",
        "settings": "/settings",
        "profile": "/profile",
        "accounts": "/accounts",
        "operator": "/operator",
        "account": "/operator/accounts/1",
        "users": "/operator/users",
        "months": "/operator/months",
        "prices": "/operator/price-books",
        "nodes": "/operator/nodes",
        "audit": "/operator/audit",
        "status-notes": "/operator/status-notes",
        "review": "/review",
        "review-history": "/review/history",
        "not-found": "/no-such-page",
    }


SIGNED_OUT = {"sign-in": "/sign-in", "forgot": "/forgot"}


def populate(farm: SimulatedFarm) -> None:
    """An ended print, then live ones, and feedback on one of them."""
    with farm.server.services.database.write() as session:
        session.execute(update(Account).values(share_pictures=True))
    farm.play((ENDED,))
    farm.clock.advance(3600)
    farm.play(PRINTS)
    answer = farm.server.http.post(
        f"/api/gadget/v1/feedback/{farm.prints[PRINTS[2].name]}",
        headers={"X-API-Key": farm.key},
        json={"Kind": "missed"},
    )
    assert answer.status_code == 200, answer.text


def take(browser, farm: SimulatedFarm, out: Path, wanted: Callable[[str], bool]) -> Iterator[Path]:
    """Take the pictures; the path of each."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": 800}, color_scheme=scheme, device_scale_factor=1
            )
            tab = Tab(context, farm.server.url)
            for signed_in, group in ((False, SIGNED_OUT), (True, pages(farm))):
                if signed_in:
                    tab.sign_in(EMAIL)
                for name, path in group.items():
                    if not wanted(name):
                        continue
                    tab.go(path)
                    tab.page.wait_for_timeout(700)  # pictures, and the stream's first news
                    file = out / f"{name}-{width}-{scheme}.png"
                    tab.page.screenshot(path=file, full_page=True)
                    yield file
            context.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("out", type=Path, help="folder for the pictures")
    options.add_argument("--only", default="", help="only pages whose name contains this")
    given = options.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, simulated_farm(Path(folder)) as farm:
        populate(farm)
        with chromium() as browser:
            for path in take(browser, farm, given.out, lambda name: given.only in name):
                print(path)


if __name__ == "__main__":
    main()
