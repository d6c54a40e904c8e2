"""`layerwatch migrate` on both kinds of database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from layerwatch.cli import app


def migrate(*options: str) -> dict[str, str | None]:
    result = CliRunner().invoke(app, ["migrate", "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report: dict[str, str | None] = json.loads(result.stdout)
    return report


def test_a_new_database_gets_its_tables_and_keeps_them(tmp_path: Path) -> None:
    first = migrate("--data-dir", str(tmp_path))
    assert first["before"] is None
    assert first["after"]
    assert migrate("--data-dir", str(tmp_path)) == {"before": first["after"], "after": first["after"]}


def test_a_migrated_database_is_left_alone(database_url: str, tmp_path: Path) -> None:
    report = migrate("--data-dir", str(tmp_path), "--database", database_url)
    assert report["before"] == report["after"]


@pytest.mark.parametrize(
    ("url", "status"), [("postgresql://nobody@127.0.0.1:1/nowhere", 1), ("mysql://x/y", 2)]
)
def test_a_database_that_cannot_be_used_is_said_in_one_line(tmp_path: Path, url: str, status: int) -> None:
    result = CliRunner().invoke(app, ["migrate", "--data-dir", str(tmp_path), "--database", url])
    assert result.exit_code == status
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
