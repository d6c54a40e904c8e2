"""Settings: where they come from, which one counts, and what is said of a wrong one."""

from __future__ import annotations

import os
import stat
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from layerwatch.config import ConfigError, Settings, load
from layerwatch.core.secrets import Secrets, read_or_create


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("LAYERWATCH_"):
            monkeypatch.delenv(name)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "layerwatch.toml"
    path.write_text(text)
    return path


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, 'port = 1001\nhost = "a"\nregion = "file"\n')
    monkeypatch.setenv("LAYERWATCH_PORT", "1002")
    monkeypatch.setenv("LAYERWATCH_HOST", "b")
    settings = load(file, port=1003, host=None)
    assert (settings.port, settings.host, settings.region) == (1003, "b", "file")


def test_the_file_may_be_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERWATCH_CONFIG", str(write(tmp_path, 'region = "north"')))
    assert load().region == "north"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 8080", "prot: unknown setting"),
        ("interval_min = 19", r"interval_min \(or LAYERWATCH_INTERVAL_MIN\): .*20"),
        ('public_url = "example.org"', "public_url .* scheme"),
        ('region = "EU West"', "region"),
        ("secret = 'short'", "secret .* 32 characters"),
        ("port = ", "layerwatch.toml"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


def test_every_setting_is_described() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undescribed == []


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:8080"),
        ({"host": "::1", "port": 90}, "http://[::1]:90"),
        ({"public_url": "https://eu.example.org/"}, "https://eu.example.org"),
    ],
)
def test_the_url_that_clients_are_given(given: dict[str, object], url: str) -> None:
    assert load(**given).own_url == url


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path / "new")
    assert settings.secrets() == settings.secrets()
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    with ThreadPool(8) as processes:
        made = processes.map(lambda _: read_or_create(tmp_path / "secret"), range(16))
    assert len(set(made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_damaged_secret_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("abc")
    with pytest.raises(ConfigError, match="too short"):
        load(data_dir=tmp_path).secrets()
    assert (tmp_path / "secret").read_text() == "abc"


def test_a_given_secret_needs_no_file(tmp_path: Path) -> None:
    given = load(data_dir=tmp_path, secret="s" * 32).secrets()
    assert given == Secrets.derive(b"s" * 32)
    assert list(tmp_path.iterdir()) == []


def test_each_purpose_has_a_key_of_its_own_and_none_is_shown() -> None:
    secrets = Secrets.derive(b"s" * 32)
    assert len({secrets.context_ids, secrets.api_keys, secrets.sessions}) == 3
    assert repr(secrets) == "Secrets()"
    assert "sssss" not in repr(load(secret="s" * 32))
