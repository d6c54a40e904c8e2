"""Try it: a picture is looked at without a key; it is bounded, not billed and not kept."""

import pytest

from layerwatch.console.forms import MAX_FILE_BYTES, MAX_FORM_BYTES
from layerwatch.console.pages import try_it
from layerwatch.identity.roles import Role
from tests.support.browser import BASE, text_of
from tests.support.fake_detector import picture


@pytest.fixture
def account(office):
    account = office.account("Acme")
    office.user("ann@example.org", account)
    return account


@pytest.fixture
def ann(office, account):
    return office.signed_in("ann@example.org")


def send(browser, content, **fields):
    """Send the form with a file."""
    token = {"form_token": browser.form_token("/try")} if "form_token" not in fields else {}
    headers = {"Origin": browser.origin, "Sec-Fetch-Site": "same-origin"}
    files = {"picture": ("a.jpg", content, "image/jpeg")}
    return browser.http.post(f"{BASE}/try", data={**token, **fields}, files=files, headers=headers)


def test_a_picture_is_shown_with_what_is_seen_in_it(ann):
    answer = send(ann, picture(0.9))
    page = " ".join(text_of(answer).split())
    assert answer.status_code == 200
    assert "Failure 90 %" in page and "spaghetti 90 %" in page and "Fit to judge by" in page
    assert "data:image/jpeg;base64," in answer.text and "data:image/svg+xml," in answer.text


def test_the_pages_script_gets_the_result_alone(ann):
    answer = send(ann, picture(0.1), part="1")
    assert answer.text.lstrip().startswith("<article") and "<html" not in answer.text


@pytest.mark.parametrize("content", [b"", b"GIF89a", picture(0.5)[:1000]])
def test_what_is_no_picture_is_refused_beside_the_field(ann, content):
    answer = send(ann, content)
    assert answer.status_code == 400
    assert 'id="wrong-field"' in answer.text


def test_a_file_that_is_too_large_is_refused(ann):
    assert send(ann, b"\xff\xd8" + bytes(MAX_FILE_BYTES + 10)).status_code == 413
    assert send(ann, b"\xff\xd8" + bytes(MAX_FILE_BYTES + MAX_FORM_BYTES)).status_code == 413


def test_it_is_neither_billed_nor_kept(office, account, ann, tmp_path):
    send(ann, picture(0.9))
    assert office.server.billed(account) == 0
    assert not (tmp_path / "objects").exists() and not list(tmp_path.rglob("*.jpg"))


def test_an_account_tries_a_limited_number_of_pictures(ann, monkeypatch):
    monkeypatch.setattr(try_it, "PICTURES_PER_WINDOW", 2)
    assert [send(ann, picture(0.1)).status_code for _ in range(3)] == [200, 200, 429]


def test_only_members_who_are_signed_in_try(office, account):
    office.user("rob@example.org", account, Role.READ_ONLY)
    assert office.signed_in("rob@example.org").get("/try").status_code == 403
    stranger = office.browser()
    answer = send(stranger, picture(0.1), form_token="0" * 64)
    assert answer.status_code == 303 and "/sign-in" in answer.headers["location"]


def test_a_forged_form_is_refused(ann):
    assert send(ann, picture(0.1), form_token="0" * 64).status_code == 403


def test_the_memory_for_uploads_is_given_back(office, ann):
    for content in (picture(0.1), b"no picture", bytes(MAX_FILE_BYTES + 10)):
        send(ann, content)
    assert office.server.services.admission.bytes_held == 0


def test_the_lines_to_copy_name_this_server_and_hold_no_key(office, ann):
    page = text_of(ann.get("/try"))
    assert f"{office.server.url}/api/gadget/v1/createcontext" in page
    assert "YOUR-KEY" in page and "prod_" not in page
