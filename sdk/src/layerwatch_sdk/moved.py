"""Old module names: cameras, printers and the watcher were part of this package once.

They are the distribution `layerwatch-watcher` now. Importing one of the old names imports the new module,
with a DeprecationWarning; without that distribution the ImportError says what to install.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Optional, Sequence

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

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
    "watcher.troubles": "watching.watchdog",
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


class _AliasLoader:
    def __init__(self, target: str, found: ModuleSpec) -> None:
        self._target = target
        self._found = found
        self._own_spec: Optional[ModuleSpec] = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        from importlib import import_module

        module = import_module(self._target)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own_spec  # the import system has put the alias's there

    def is_package(self, fullname: str) -> bool:
        return self._found.submodule_search_locations is not None

    def get_code(self, fullname: str) -> Optional[CodeType]:
        """For `python -m`."""
        code: Optional[CodeType] = self._found.loader.get_code(self._target)  # type: ignore[union-attr]
        return code


class MovedModules:
    """Finds the old names. Before the other finders, which would load a second copy of what has moved."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """The spec of a moved module, or None. Raises ModuleNotFoundError if its package is not installed."""
        moved = new_name(fullname)
        if moved is None:
            return None
        import warnings
        from importlib.machinery import ModuleSpec
        from importlib.util import find_spec

        if find_spec(NEW.rstrip(".")) is None:
            raise ModuleNotFoundError(
                f"{fullname} has moved to {moved}: pip install layerwatch-watcher", name=fullname
            )
        found = find_spec(moved)
        if found is None:
            return None
        warnings.warn(f"{fullname} has moved to {moved}", DeprecationWarning, stacklevel=2)
        loader = _AliasLoader(moved, found)
        return ModuleSpec(
            fullname,
            loader,  # type: ignore[arg-type]
            origin=found.origin,
            is_package=loader.is_package(fullname),
        )


def install() -> None:
    """Answer imports of the old names from now on."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())
