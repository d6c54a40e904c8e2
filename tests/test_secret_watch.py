"""The watch over secrets in logs finds one in any of them: without this it would prove nothing."""

import os
import textwrap
from pathlib import Path

import pytest

from tests.support.secret_watch import occurring

ROOT = Path(__file__).parents[1]
BEGIN = """
import logging, subprocess, sys
import structlog
from pydantic import SecretStr
from layerwatch.telemetry.logging import configure
from layerwatch.identity import devices, passwords, recovery_codes
from layerwatch.keys.key_format import new_key_text
from layerwatch.notify.mail import SmtpMailer
from layerwatch.core.secrets import Secrets

configure("error", "json")
log = structlog.get_logger()
"""
LEAKS = {
    "below_the_level": "log.debug('made', key=new_key_text())",
    "inside_a_longer_word": "log.error('x' + new_key_text() + 'y')",
    "traceback": """
        try:
            raise ValueError(new_key_text())
        except ValueError:
            log.exception('oh')
        """,
    "standard_library": "logging.getLogger('any').error('made %s', new_key_text())",
    "password": "passwords.is_right('a long enough one', None); log.info('a long enough one')",
    "token": "import secrets; log.info(secrets.token_urlsafe(32))",
    "recovery_code": """
        from unittest.mock import MagicMock
        codes = recovery_codes.renew(MagicMock(), MagicMock(id=1), b'k' * 32)
        log.info(codes[3])
        """,
    "device": """
        from datetime import UTC, datetime
        from unittest.mock import MagicMock
        log.info(devices.new_cookie(MagicMock(id=1, password=''), b'k' * 32, datetime.now(UTC)))
        """,
    "setting": "log.info(SecretStr('whsec_0123456789').get_secret_value())",
    "smtp": "SmtpMailer('smtp://me:p%40ssword99@mail.example', 'me'); log.info('p@ssword99')",
    "installation": "log.info(Secrets.derive(b'x' * 32).api_keys.hex())",
    "another_process": f"""
        there = {BEGIN!r} + "log.info(new_key_text())"
        subprocess.run([sys.executable, "-c", there], check=True)
        """,
}


@pytest.fixture
def inner(pytester, monkeypatch):
    """Runs tests of their own, in a process of their own, under the watch."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(ROOT / "src"))))
    monkeypatch.delenv("LW_TEST_WATCH")

    def run(tests):
        bodies = {name: textwrap.indent(textwrap.dedent(body), "    ") for name, body in tests.items()}
        pytester.makepyfile(
            BEGIN + "".join(f"\ndef test_{name}():\n{body}\n" for name, body in bodies.items())
        )
        return pytester.runpytest_subprocess("-p", "tests.support.secret_watch", "-p", "no:cacheprovider")

    return run


def test_a_secret_in_any_log_fails_the_run_and_names_the_test(inner):
    result = inner(LEAKS)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=len(LEAKS))
    report = str(result.stdout).partition("SECRETS IN LOGS")[2]
    assert [name for name in LEAKS if f"test_{name}" not in report] == []
    assert "prod_" not in report and "whsec_" not in report


def test_a_run_that_logs_no_secret_passes(inner):
    assert inner({"fine": "new_key_text(); log.error('made', key='prod_Ab3…')"}).ret == pytest.ExitCode.OK


def test_every_secret_is_found_wherever_it_stands():
    secrets = ["short but se", "0123456789abcdef", "0123456789abcdefX", "never logged at all"]
    log = "short but se 0123456789abcdefXyz"
    assert {secret for secret, _ in occurring(secrets, log)} == set(secrets[:3])
    assert list(occurring(secrets, "nothing")) == []
