"""The table of rooms in docs/architecture.md is what the code imports, and no room imports one above it."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "layerwatch"
EVERYWHERE = {"core", "config", "telemetry", "__version__"}
ROW = re.compile(r"^\| `([a-z]+)(?:/|\.py)` \| .* \| ([^|]*) \|$", re.MULTILINE)


def imports(file: Path) -> set[str]:
    """The rooms that a file imports, also under TYPE_CHECKING and inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {name.split(".")[1] for name in names if name.startswith("layerwatch.")}
    return found


def rooms() -> dict[str, set[str]]:
    """Every folder and module at the top of the package, with the rooms that it imports."""
    paths = [path for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"]
    names = {path.stem for path in paths if (path / "__init__.py").exists() or path.suffix == ".py"}
    graph = {}
    for path in paths:
        if path.stem in names - {"__init__", "__main__"}:
            files = path.rglob("*.py") if path.is_dir() else [path]
            graph[path.stem] = set().union(*map(imports, files)) & names - {path.stem}
    return graph


ROOMS = rooms()
TABLE = dict(ROW.findall((ROOT / "docs" / "architecture.md").read_text()))


def test_no_room_imports_one_above_it() -> None:
    order = list(TopologicalSorter(ROOMS).static_order())  # raises CycleError
    assert order.index("core") < order.index("storage") < order.index("api") < order.index("cli")


def test_every_room_is_in_the_table() -> None:
    assert set(ROOMS) - EVERYWHERE - set(TABLE) == set()


@pytest.mark.parametrize("room", sorted(TABLE.keys() & ROOMS.keys()))
def test_the_table_names_what_a_room_imports(room: str) -> None:
    written = TABLE[room]
    if written.startswith("every "):
        return
    assert set(written.split(", ")) - {"nothing"} == ROOMS[room] - EVERYWHERE
