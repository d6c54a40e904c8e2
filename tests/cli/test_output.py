"""What commands print of what users wrote: as it is, whatever it would mean to Rich or to a terminal."""

import ast
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from layerwatch.cli import app, output
from layerwatch.config import load
from layerwatch.identity.models import Account
from layerwatch.storage import Database

HOSTILE = "[/foo] [bold]x[/bold] \x1b[2J\x9b\u202egpj.exe"
"""Written before names were checked, or past the check."""


@pytest.fixture
def layerwatch(tmp_path, monkeypatch):
    """Run the command on a data folder in which account 1 and its key have a hostile name."""
    monkeypatch.delenv("LAYERWATCH_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        result = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path / "data")])
        assert result.exit_code == 0, result.output
        return result.stdout

    run("accounts", "create", "Acme", "--json")
    run("keys", "create", "--name", "farm", "--account", "1", "--json")
    database = Database(load(data_dir=tmp_path / "data").database_url)
    with database.write() as session:
        session.get(Account, 1).name = HOSTILE
        from layerwatch.keys.models import ApiKey

        session.get(ApiKey, 1).name = HOSTILE
    database.close()
    return run


COMMANDS = [
    ("accounts", "list"),
    ("accounts", "set", "1", "--paid"),
    ("accounts", "audit"),
    ("keys", "list", "--account", "1"),
    ("usage", "show", "--account", "1"),
    ("invoices", "list", "--account", "1"),
    ("invoices", "preview", "--account", "1"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_names_are_printed_as_text_and_drive_no_terminal(layerwatch, command):
    printed = layerwatch(*command)
    assert not {"\x1b", "\x9b", "\u202e"} & set(printed)
    if command[:2] in (("accounts", "list"), ("keys", "list")):
        assert "[/foo] [bold]x[/bold] \\u001b[2J" in printed


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_json_holds_the_name_and_drives_no_terminal(layerwatch, command):
    printed = layerwatch(*command, "--json")
    assert not {"\x1b", "\x9b", "\u202e"} & set(printed)
    json.loads(printed)
    if command == ("accounts", "list"):
        assert json.loads(printed)[0]["name"] == HOSTILE


@pytest.mark.parametrize("name", ["far\x1bm", "far\u202em", "a\0b", "x" * 121, " "])
def test_a_name_that_is_refused_is_refused_here_too(tmp_path, name):
    for command in (["accounts", "create", name], ["keys", "create", "--name", name]):
        result = CliRunner().invoke(app, [*command, "--data-dir", str(tmp_path / "data")])
        assert result.exit_code == 1 and "name" in result.stderr, result.output


def test_the_error_line_drives_no_terminal(tmp_path):
    result = CliRunner().invoke(
        app, ["accounts", "audit", "--account", "\x1b[2J", "--data-dir", str(tmp_path / "data")]
    )
    assert result.exit_code == 1 and "\x1b" not in result.stderr


BUSINESS = ("accounts", "feedback", "invoices", "keys", "models", "pricebook", "regions", "usage", "users")
"""Commands that print what users wrote."""


@pytest.mark.parametrize("name", BUSINESS)
def test_business_commands_print_by_the_one_way(name):
    """`cli/output.py` escapes; `typer.echo` and a Rich table of a command's own would not."""
    path = Path(output.__file__).with_name(f"{name}.py")
    tree = ast.parse(path.read_text("utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & {"print", "typer.echo", "typer.secho", "Table", "Text"}
