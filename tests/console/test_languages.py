"""Every page in German: complete, in the language that the reader chose or their browser asks for."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from layerwatch.core.languages import CATALOGS, LANGUAGES, negotiated
from tests.console.test_every_page import office as office
from tests.console.test_every_page import paths as paths
from tests.support.chromium import Tab, chromium

SOURCES = Path(CATALOGS).parents[1]
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def catalog(code):
    with (CATALOGS / code / "LC_MESSAGES" / "layerwatch.po").open("rb") as file:
        return read_po(file, locale=code)


@pytest.fixture(scope="module")
def marked_texts():
    """What the code and the templates mark for translation."""
    with (CATALOGS / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {"_": None, "marked": None, "gettext": None, "ngettext": (1, 2)}
    found = extract_from_dir(SOURCES.parent, methods, options, keywords=keywords)
    return {text for _file, _line, text, _comments, _context in found}


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_text_is_translated(code, marked_texts):
    known = {message.id: message for message in catalog(code) if message.id}
    assert marked_texts - known.keys() == set(), "run `make languages`, then translate"
    assert known.keys() - marked_texts == set(), "run `make languages`"
    for text in marked_texts:
        message = known[text]
        ids = text if isinstance(text, tuple) else (text,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(strings) and not message.fuzzy, text
        for one, translation in zip(ids, strings, strict=True):
            filled_in = [sorted(re.findall(r"%\(\w+\)s|%%", words)) for words in (one, translation)]
            assert filled_in[0] == filled_in[1], text
            assert sorted(re.findall(r"</?\w+", one)) == sorted(re.findall(r"</?\w+", translation)), text


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_the_compiled_translations_are_up_to_date(code):
    compiled = io.BytesIO()
    write_mo(compiled, catalog(code))
    stored = (CATALOGS / code / "LC_MESSAGES" / "layerwatch.mo").read_bytes()
    assert stored == compiled.getvalue(), "run `make languages`"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("fr,de;q=0.4,en;q=0.3", "de"),
        ("fr", "en"),
        ("", "en"),
        ("de;q=0", "en"),
        ("de;q=x, ;;,en", "en"),
        ("DE", "de"),
        ("de;q=9", "en"),
    ],
)
def test_the_browser_asks_for_a_language(header, language):
    assert negotiated(header) == language


class WordsOf(HTMLParser):
    """What a page shows: texts, and the attributes that are read out."""

    def __init__(self, html):
        super().__init__()
        self.words, self._skipped = set(), 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self._skipped += tag in ("pre", "code", "script", "style")
        for name, value in attrs:
            if name in ("aria-label", "alt", "title", "placeholder", "data-label", "data-confirm") and value:
                self.words.add(value.strip())

    def handle_endtag(self, tag):
        self._skipped -= tag in ("pre", "code", "script", "style")

    def handle_data(self, data):
        if not self._skipped:
            self.words.add(" ".join(data.split()))


def test_no_english_is_left_on_any_german_page(office, paths):
    english = {
        message.id
        for message in catalog("de")
        if isinstance(message.id, str) and message.id and message.id != message.string
    }
    german = {message.string for message in catalog("de")}
    ann = office.signed_in("ann@example.org")
    ann.http.headers.update(GERMAN)
    left = {}
    for path in paths:
        answer = ann.get(path)
        assert '<html lang="de">' in answer.text, path
        if found := (WordsOf(answer.text).words & english) - german:
            left[path] = found
    assert left == {}


def test_the_users_choice_goes_before_the_browsers(office):
    ann = office.signed_in("ann@example.org")
    assert '<html lang="en">' in ann.get("/keys").text
    ann.post("/profile/language", "/profile", language="de")
    page = ann.get("/keys").text
    assert '<html lang="de">' in page and "Schlüssel erstellen" in page
    ann.post("/profile/language", "/profile", language="")
    assert '<html lang="en">' in ann.get("/keys").text


def test_an_unknown_language_is_refused_at_its_field(office):
    answer = office.signed_in("ann@example.org").post("/profile/language", "/profile", language="tlh")
    assert answer.status_code == 400 and "There is no such language." in answer.text


def test_errors_and_numbers_are_in_the_readers_language(office):
    ann = office.signed_in("ann@example.org")
    ann.http.headers.update(GERMAN)
    refused = ann.post("/alerts", "/settings", dollars="viel", email="bob@example.org")
    assert "Der Betrag ist eine Zahl in Dollar" in refused.text
    ann.post("/alerts", "/settings", dollars="1234.5", email="bob@example.org")
    assert "1.234,50\xa0$" in ann.get("/settings").text
    assert "Seite nicht gefunden." in ann.get("/no-such-page").text


def test_who_is_signed_out_gets_the_browsers_language(office):
    stranger = office.browser()
    stranger.http.headers.update(GERMAN)
    assert '<html lang="de">' in stranger.get("/sign-in").text
    refused = stranger.sign_in("ann@example.org", "not it")
    assert "E-Mail-Adresse oder Passwort ist falsch." in refused.text
    assert "Nicht gefunden" in stranger.get("/no-such-page").text


def test_one_readers_language_is_not_anothers(office):
    ann, bob = office.signed_in("ann@example.org"), office.signed_in("ann@example.org")
    ann.http.headers.update(GERMAN)
    for _ in range(3):
        assert "Einstellungen" in ann.get("/settings").text
        assert "Einstellungen" not in bob.get("/settings").text


def test_the_status_page_has_the_browsers_language_and_says_that_it_depends_on_it(open_office):
    office = open_office(status_page=True)
    answer = office.browser().http.get("/status", headers=GERMAN)
    assert '<html lang="de">' in answer.text and answer.headers["vary"] == "Accept-Language"


def test_the_api_stays_english(office):
    answer = office.server.http.post("/api/gadget/v1/createcontext", headers=GERMAN)
    assert answer.status_code == 401 and "No API key" in answer.text


def test_what_the_stream_sends_is_in_the_readers_language(office):
    ann = office.signed_in("ann@example.org")
    ann.http.headers.update(GERMAN)
    with ann.http.stream("GET", "/console/live") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and "cards" in line:
                news = json.loads(line.removeprefix("data: "))
                break
    assert "Gesehen vor" in "".join(news["cards"].values())
    assert "Laufende Drucke" in news["frame"]


def test_the_scripts_use_the_pages_language(office):
    with chromium() as browser:
        context = browser.new_context(locale="de-DE", timezone_id="Europe/Berlin")
        tab = Tab(context, office.server.url)
        tab.go("/sign-in")
        tab.page.fill("[name=email]", "ann@example.org")
        tab.page.fill("[name=password]", "correct horse battery staple")
        tab.page.click("button:has-text('Anmelden')")
        tab.page.wait_for_selector("header .who")
        tab.go("/keys")
        assert re.search(r"01\.01\.2030, 13:00", tab.page.inner_text("tbody"))
        tab.go("/")
        tab.page.evaluate("follow('/console/no-such-stream', wall, '/', () => {})")
        tab.page.wait_for_selector("#connection:has-text('Nicht live')")


def test_no_template_takes_a_value_for_trusted_html():
    """`_(value)` in a template is not escaped; `value | translated` is."""
    for template in (SOURCES / "console" / "templates").glob("*.html"):
        assert re.findall(r"\b_\((?!['\"])[^)]*\)", template.read_text()) == [], template.name
