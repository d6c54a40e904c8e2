"""What every command shares: help, errors, exit status, and the options that name the installation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from layerwatch.cli import COMMANDS, app

ON_AN_INSTALLATION = [
    "keys list",
    "accounts list",
    "users list",
    "usage show",
    "invoices list",
    "pricebook show",
    "feedback queue",
    "regions list",
    "migrate",
]


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def every_command() -> Iterator[str]:
    group = typer.main.get_command(app)
    context: Any = typer.Context(group)
    for name in COMMANDS:
        command: Any = group.get_command(context, name)  # type: ignore[attr-defined]
        yield name
        yield from (f"{name} {each}" for each in getattr(command, "commands", ()))


def help_of(command: str) -> str:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", [name for name in every_command() if name != "setup"])
def test_help_shows_no_type_for_a_switch_and_no_completion_but_at_the_top(command: str) -> None:
    text = help_of(command)
    assert "<bool>" not in text and "--install-completion" not in text


def test_the_top_help_lists_every_command_with_its_whole_first_sentence() -> None:
    text = help_of("")
    assert "--install-completion" in text and "..." not in text.partition("Start here")[2]
    for name in COMMANDS:
        assert re.search(rf"^  {name}  +\S", text, re.MULTILINE), name


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("kyes", "layerwatch keys"), ("wacth", "layerwatch watch"), ("keys creat", "create"), ("srve", "serve")],
)
def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    result = run(*typed.split())
    assert result.exit_code == 2
    assert "No such command" in result.stderr and meant in result.stderr.partition("Did you mean")[2]


def test_a_mistyped_option_is_answered_with_the_one_that_was_meant() -> None:
    result = run("keys", "list", "--jsn")
    assert result.exit_code == 2 and "--json" in result.stderr


@pytest.mark.parametrize("command", ON_AN_INSTALLATION)
def test_commands_name_the_installation_by_the_same_options(command: str) -> None:
    text = help_of(command)
    for option in ("--data-dir DIR", "--config FILE", "--database URL", "--json"):
        assert option in text


@pytest.mark.parametrize("command", ON_AN_INSTALLATION)
def test_they_print_json_and_nothing_else(command: str, tmp_path: Path) -> None:
    result = run(*command.split(), "--json", "--data-dir", tmp_path)
    assert result.exit_code == 0, result.output
    for line in result.stdout.splitlines():
        json.loads(line)


@pytest.mark.parametrize("command", ON_AN_INSTALLATION)
@pytest.mark.parametrize(
    ("options", "names"),
    [(["--config", "nowhere.toml"], "nowhere.toml"), (["--database", "mysql://x/y"], "sqlite:///")],
)
def test_a_setting_that_cannot_be_used_is_one_line_and_exit_status_2(
    command: str, options: list[str], names: str, tmp_path: Path
) -> None:
    if command == "pricebook show" and "--database" in options:
        pytest.skip("needs no database")
    result = run(*command.split(), "--data-dir", tmp_path, *options)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and names in line


@pytest.mark.parametrize(
    "command",
    [
        "keys disable nothing --yes",
        "accounts set nobody --email x@example.org",
        "users reset-codes nobody@example.org --yes",
        "usage show --account nobody",
        "invoices show INV-000009",
        "pricebook quote 10 --book other",
        "pricebook quote 10 --month 2026-13",
        "regions drain nowhere",
        "feedback review 9 good",
        "models rollback",
        "backup {folder}/no/backup.zip",
    ],
)
def test_what_fails_is_one_line_and_exit_status_1(command: str, tmp_path: Path) -> None:
    words = command.format(folder=tmp_path).split()
    result = run(*words, "--data-dir", tmp_path)
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")


def test_a_command_line_that_cannot_be_read_begins_its_error_the_same_way() -> None:
    result = run("keys", "create")
    assert result.exit_code == 2 and "\nError: Missing option '--name'" in result.stderr
