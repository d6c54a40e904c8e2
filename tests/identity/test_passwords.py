"""Which passwords are accepted."""

import contextlib

import pytest

from layerwatch.identity import BadInput, passwords

WEAK = [
    "password1234",
    "Password1234!",
    "qwertyuiop12",
    "aaaaaaaaaaaa",
    "abcdefghijkl",
    "123456789012",
    "iloveyou2026",
    "ann.smith-2026",
    "annsmith1234",
    "layerwatch12",
    "3dprinter123",
    "example.org1",
    "ab1!" * 18,
]


@pytest.mark.parametrize("password", WEAK)
def test_a_weak_password_is_refused(password):
    with pytest.raises(BadInput, match="too easy to guess"):
        passwords.check_strength(password, "ann.smith@example.org")


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "a new and longer one", "vN3#kq9!xTz2", "зонтик облако лампа"],
)
def test_a_strong_one_is_accepted(password):
    passwords.check_strength(password, "ann.smith@example.org")


@pytest.mark.parametrize("length", [11, 201, 1_000_000])
def test_the_length_is_bounded_before_anything_is_estimated(length):
    with pytest.raises(BadInput, match="12 to 200 characters"):
        passwords.check_strength("x7" * (length // 2) + "q" * (length % 2), "ann@example.org")


def test_the_longest_is_accepted():
    passwords.check_strength("vN3#kq9!xTz2 " * 15, "ann@example.org")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("symbols", ["4@8({[<369!1|7$5+2%x", "({[<1!|74@+%$", "!|1({[<769aeiolst"])
def test_no_password_keeps_the_processor_busy(symbols):
    """zxcvbn alone tries every combination of the letters that these symbols may stand for: hours."""
    for shift in range(len(symbols)):
        password = ((symbols[shift:] + symbols[:shift]) * passwords.LONGEST)[: passwords.LONGEST]
        with contextlib.suppress(BadInput):
            passwords.check_strength(password, "ann@example.org")
