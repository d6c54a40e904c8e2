"""Programs written against the old module names keep working, with a warning that names the new ones."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from layerwatch_sdk.moved import new_name

SDK = Path(__file__).parents[1] / "src"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("layerwatch_sdk.cameras.http", "layerwatch_watcher.cameras.http"),
        ("layerwatch_sdk.printers", "layerwatch_watcher.printers"),
        ("layerwatch_sdk.watcher.judge", "layerwatch_watcher.watching.inspector"),
        ("layerwatch_sdk.watcher.policy", "layerwatch_watcher.watching.policy"),
        ("layerwatch_sdk.watcher.notify.event", "layerwatch_watcher.notifications.event"),
        ("layerwatch_sdk.waiting", "layerwatch_watcher.waiting"),
    ],
)
def test_an_old_name_gives_the_very_module_of_the_new_name(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning) as warnings:
        sys.modules.pop(old, None)
        found = importlib.import_module(old)
    assert any(new in str(warning.message) for warning in warnings)
    assert found is importlib.import_module(new)
    assert found.__spec__ is not None and found.__spec__.name == new


@pytest.mark.parametrize("name", ["layerwatch_sdk.client", "layerwatch_sdk.cameraman", "httpx"])
def test_other_names_are_left_alone(name: str) -> None:
    assert new_name(name) is None


def test_without_the_watcher_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.path[:] = [p for p in sys.path if 'watcher' not in p]\n"
        f"sys.path.insert(0, {str(SDK)!r})\n"
        "import layerwatch_sdk\n"
        "try:\n    import layerwatch_sdk.cameras.http\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="/")
    assert "pip install layerwatch-watcher" in done.stdout, done.stderr


def test_the_old_command_line_still_starts_the_watcher() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "layerwatch_sdk.watcher", "--help"], capture_output=True, text=True
    )
    assert "Watch the printers of a configuration file" in done.stdout, done.stderr
