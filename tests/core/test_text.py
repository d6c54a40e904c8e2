"""Names that users write, and text on its way to a terminal."""

import json

import pytest

from layerwatch.core.text import MAX_NAME_LENGTH, InvalidName, clean_name, escape_unsafe

NAMES = ["garage printer", "Würth & Söhne", "打印机 3", "[/foo] <b>", "👨\u200d🔧", "می\u200cخواهم"]  # noqa: RUF001


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_language_are_accepted(name):
    assert clean_name(name, "The name") == name


def test_a_name_is_stripped_and_composed():
    assert clean_name("  Wu\u0308rth ", "The name") == "Würth"


CONTROL = "\0\n\r\t\x1b\x7f\x9b"
DIRECTION = "\u061c\u200e\u200f\u202a\u202e\u2066\u2069"
INVISIBLE = "\u2028\u2029\ufeff\u200b\u00ad\udc80\U000e0041"


@pytest.mark.parametrize("character", list(CONTROL + DIRECTION + INVISIBLE), ids=ascii)
def test_control_and_direction_characters_are_refused(character):
    with pytest.raises(InvalidName, match="The key's name may not contain"):
        clean_name(f"far{character}m", "The key's name")


@pytest.mark.parametrize("name", ["", "   ", "\n", "x" * (MAX_NAME_LENGTH + 1), "x" * 10_000_000])
def test_a_name_has_a_bounded_length(name):
    with pytest.raises(InvalidName, match="1 to 120 characters"):
        clean_name(name, "The name")


@pytest.mark.parametrize("name", ["\u200d", "\u200c \u200d", "\u0301"])
def test_a_name_can_be_seen(name):
    with pytest.raises(InvalidName, match="visible"):
        clean_name(name, "The name")


def test_what_is_printed_drives_no_terminal():
    assert escape_unsafe("a\x1b[2J\x9b\u202eb\n") == "a\\u001b[2J\\u009b\\u202eb\\n"


def test_escaping_keeps_the_value_of_json():
    value = {"name": "Wü\x1b\u202e\U000e0041\x9b👨‍🔧"}
    line = escape_unsafe(json.dumps(value, ensure_ascii=False))
    assert json.loads(line) == value and "\x9b" not in line and "Wü" in line
