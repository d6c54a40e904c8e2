"""Old module names: cameras, printers and the watcher were part of this package once.

They are the distribution `layerwatch-watcher` now. Importing one of the old names imports the new module, with
a DeprecationWarning; without that distribution the ImportError says what to install.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Optional, Sequence

OLD, NEW = "layerwatch_sdk.", "layerwatch_watcher."
_PLACES = {
    "cameras": "cameras",
    "printers": "printers",
    "mqtt": "mqtt",
    "waiting": "waiting",
    "watcher.__main__": "__main__",
    "watcher.notify": "notifications",
    "watcher.gaze": "watching.print_session",
    "watcher.hub": "watching.supervisor",
    "watcher.journal": "watching.action_log",
    "watcher.judge": "watching.inspector",
    "watcher.life": "watching.print_lifecycle",
    "watcher.looking": "watching.print_session",
    "watcher.memory": "watching.checkpoint",
    "watcher.response": "watching.action_runner",
    "watcher.tables": "watching.toml_reader",
    "watcher.troubles": "watching.outage_tracker",
    "watcher": "watching",
}
"""Old name → new name; of two that fit, the first counts."""


def new_name(name: str) -> Optional[str]:
    """Where the module `name` is now; None if it never was part of this package."""
    if not name.startswith(OLD):
        return None
    rest = name[len(OLD) :]
    for old, new in _PLACES.items():
        if rest == old or rest.startswith(f"{old}."):
            return NEW + new + rest[len(old) :]
    return None


class _AliasLoader(InspectLoader):
    def __init__(self, target: str, found: ModuleSpec) -> None:
        self._target = target
        self._found = found
        self._own_spec: Optional[ModuleSpec] = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own_spec  # the import system has put the alias's there

    def is_package(self, fullname: str) -> bool:
        return self._found.submodule_search_locations is not None

    def get_source(self, fullname: str) -> Optional[str]:
        return None

    def get_code(self, fullname: str) -> Optional[CodeType]:
        """For `python -m`."""
        loader = self._found.loader
        return loader.get_code(self._target) if isinstance(loader, InspectLoader) else None


class MovedModules(MetaPathFinder):
    """Finds the old names. Before the other finders, which would load a second copy of what has moved."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """The spec of a moved module, or None. Raises ModuleNotFoundError if its new home is not installed."""
        moved = new_name(fullname)
        if moved is None:
            return None
        if importlib.util.find_spec(NEW.rstrip(".")) is None:
            raise ModuleNotFoundError(
                f"{fullname} has moved to {moved}: pip install layerwatch-watcher", name=fullname
            )
        found = importlib.util.find_spec(moved)
        if found is None:
            return None
        warnings.warn(f"{fullname} has moved to {moved}", DeprecationWarning, stacklevel=2)
        loader = _AliasLoader(moved, found)
        return ModuleSpec(fullname, loader, origin=found.origin, is_package=loader.is_package(fullname))


def install() -> None:
    """Answer imports of the old names from now on."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())
