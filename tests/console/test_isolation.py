"""Account A can see nothing of B, on no route of the whole application.

Every route has to be classed here or be a page of the console (which `test_security.py` goes through), so
that a new one fails until somebody has said who may see what on it.
"""

import re

import pytest
from starlette.routing import Mount

from layerwatch.api.routes import BASE
from layerwatch.app import create_app
from layerwatch.config import load
from layerwatch.console.pages import ALL
from layerwatch.contexts.models import ContextRow
from tests.console.test_security import TwoAccounts
from tests.support.fake_detector import FakeDetector, picture

EVERYTHING = {"obico_api": True, "status_page": True, "sign_up": "open"}
"""The settings that add routes."""

PUBLIC = {
    ("GET", "/"),
    ("GET", "/console"),
    ("GET", "/console/static/{name}"),
    ("GET", "/docs"),
    ("GET", "/hc"),
    ("GET", "/hc/"),
    ("GET", "/livez"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/readyz"),
    ("GET", "/status"),
    ("GET", "/status.json"),
}
"""Tell everybody the same, and nothing of any account."""

BY_KEY = {
    ("POST", f"{BASE}/createcontext"),
    ("POST", f"{BASE}/process/{{context_id}}"),
    ("POST", f"{BASE}/feedback/{{context_id}}"),
    ("POST", f"{BASE}/bedcheck"),  # tests/api/test_bed_check.py
    ("GET", f"{BASE}/usage"),
    ("POST", "/api/watcher/v1/actions"),  # tests/acting/test_exchange.py
}
"""Of the account whose API key is sent."""

OF_NO_ACCOUNT = {
    ("POST", "/console/payments/{provider}"),  # signed by the payment provider; answers nothing
    # One picture that the caller names; tests/obico/test_routes.py
    ("GET", "/p"),
    ("GET", "/p/"),
    ("GET", "/debug/image"),
}


def table(routes, prefix=""):
    """(method, path) of every route, those of routers and mounted applications too."""
    for route in routes:
        if isinstance(route, Mount):
            yield from table(route.routes, prefix + route.path)
        else:
            yield from ((method, prefix + route.path) for method in set(route.methods) - {"HEAD"})


@pytest.fixture
def two(open_office):
    return TwoAccounts(open_office(**EVERYTHING))


def test_every_route_is_classed(sqlite_url, tmp_path):
    settings = load(data_dir=tmp_path, database=sqlite_url, **EVERYTHING)
    app = create_app(settings, vision=FakeDetector())
    console = {(page.method, f"/console{page.path}") for page in ALL}
    found = set(table(app.routes))
    assert len(found) > 60, "the table was not read whole"
    assert found == console | PUBLIC | BY_KEY | OF_NO_ACCOUNT
    app.state.services.database.close()


def test_a_key_reaches_nothing_of_another_account(two):
    """B's context under A's key is answered as one that never was, and nothing of B changes or is counted."""
    server = two.office.server
    key, _ = server.new_key_of(two.a)
    before, billed, revision = two.state_of_b(), server.billed(two.b), revision_of(two)
    nobodys = re.sub(r"[A-Za-z0-9](?=.{8}$)", lambda one: "x" if one[0] != "x" else "y", two.context)
    for method, path in sorted(BY_KEY):
        for headers in ({}, {"Idempotency-Key": two.repeat}):
            theirs = call(server, method, path, two.context, key, headers)
            seen = [secret for secret in two.secrets if secret in theirs.text + str(theirs.headers)]
            assert seen == [], f"{path} shows {seen}"
            if "{" in path:
                forged = call(server, method, path, nobodys, key, headers)
                assert (theirs.status_code, theirs.json()) == (forged.status_code, forged.json())
                assert theirs.status_code >= 400, theirs.text
    assert (two.state_of_b(), server.billed(two.b), revision_of(two)) == (before, billed, revision)


def test_a_stored_answer_is_not_to_be_had_by_its_idempotency_key(two):
    server = two.office.server
    key, _ = server.new_key_of(two.a)
    mine = server.process(key, server.new_context(key), picture(0.1), repeat=two.repeat)
    theirs = server.process(two.key, two.context, picture(0.1), repeat=two.repeat)
    assert (mine.status_code, theirs.status_code) == (200, 200)
    assert mine.json() != theirs.json() and server.billed(two.a) == 1


def test_what_everybody_may_see_tells_nothing_of_any_account(two):
    server = two.office.server
    key, _ = server.new_key_of(two.a)
    for _, path in sorted(PUBLIC):
        path = path.replace("{name}", "style.css")
        for headers in ({}, {"X-API-Key": key}, {"X-API-Key": two.key}):
            answer = server.http.get(path, headers=headers)
            assert answer.status_code < 400, path
            seen = [secret for secret in two.secrets if secret in answer.text]
            assert seen == [], f"{path} shows {seen}"


def test_a_payment_event_needs_the_providers_signature(two):
    before = two.state_of_b()
    for provider in ("manual", "stripe"):
        answer = two.office.server.http.post(f"/console/payments/{provider}", content=b"{}")
        assert answer.status_code in (400, 404)
    assert two.state_of_b() == before


def call(server, method, path, context, key, headers):
    headers = {"X-API-Key": key, **headers}
    url = path.replace("{context_id}", context)
    if "/process/" in path:
        return server.http.request(method, url, files={"f": ("a.jpg", picture())}, headers=headers)
    return server.http.request(method, url, json={"Kind": "false_alarm"}, headers=headers)


def revision_of(two):
    with two.office.server.services.database.read() as session:
        return session.query(ContextRow.revision).filter_by(id=two.context).scalar()
