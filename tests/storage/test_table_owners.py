"""Each table's statements are in one file, which other rooms call: what a column means is decided there."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "layerwatch"

EXCEPTIONS = {
    ("accounts", "keys/repository.py"): "read with every call: a key and its account in one statement",
    ("closings", "billing/usage_repository.py"): "counts a call if its month is open, in one statement",
}
"""Where else a table is named in a statement, and why."""


class MappedTable(NamedTuple):
    """A table and the class that stands for its rows."""

    name: str
    row: str


def mapped_tables() -> Iterator[MappedTable]:
    for file in sorted(PACKAGE.rglob("models.py")):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                for line in node.body:
                    if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__tablename__":
                        yield MappedTable(ast.literal_eval(line.value), node.name)


TABLES = list(mapped_tables())
SQL = re.compile(rf"\b(?:FROM|INTO|UPDATE|JOIN)\s+({'|'.join(table.name for table in TABLES)})\b")


def in_annotations(tree: ast.AST) -> set[int]:
    """The nodes that only say of what type something is."""
    found = set()
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                found |= {id(part) for part in ast.walk(annotation)}
    return found


def named_tables(file: Path) -> set[str]:
    """The tables whose rows a file makes or asks for, or which its plain SQL names."""
    tree = ast.parse(file.read_text("utf-8"))
    rows = {table.row: table.name for table in TABLES}
    imported = {
        alias.asname or alias.name: rows[alias.name]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".models")
        for alias in node.names
        if alias.name in rows
    }
    only_types = in_annotations(tree)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in imported and id(node) not in only_types:
            found.add(imported[node.id])
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(SQL.findall(node.value))
    return found


def users_of_tables() -> dict[str, set[str]]:
    users: dict[str, set[str]] = defaultdict(set)
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.name != "models.py" and "migrations" not in file.parts:
            for table in named_tables(file):
                users[table].add(file.relative_to(PACKAGE).as_posix())
    return users


USERS = users_of_tables()


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_the_statements_of_a_table_are_in_one_file(table: str) -> None:
    owners = {file for file in USERS[table] if (table, file) not in EXCEPTIONS}
    assert len(owners) == 1


def test_no_exception_is_left_over() -> None:
    assert {(table, file) for table, file in EXCEPTIONS if file not in USERS[table]} == set()
