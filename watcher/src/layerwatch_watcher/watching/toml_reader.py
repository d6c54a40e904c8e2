"""Reading a configuration table by table, with errors that name the place and say what is expected."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, Collection, Mapping, Optional, Tuple

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)?")
_UNITS = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class ConfigError(ValueError):
    """The configuration is wrong. The message names the place and says what is expected there."""


class Table:
    """One table of a TOML file, emptied field by field; `done` complains of what is left over."""

    def __init__(self, values: Mapping[str, Any], place: str, folder: Path) -> None:
        if not isinstance(values, Mapping):
            raise ConfigError(f"{place}: must be a table, not {values!r}")
        self._values = dict(values)
        self._known: list[str] = []
        self.place = place
        self._folder = folder

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._values.pop(name, None)

    def wrong(self, name: str, expected: str) -> ConfigError:
        """The error for a field that is not as `expected`."""
        return ConfigError(f"{self.place}.{name}: {expected}" if self.place else f"{name}: {expected}")

    def text(self, name: str, default: Optional[str] = None) -> str:
        """A text; one that must be there has no default."""
        value = self._take(name)
        if value is None:
            if default is None:
                raise self.wrong(name, "is missing")
            return default
        if not isinstance(value, str):
            raise self.wrong(name, f"must be a text in quotes, not {value!r}")
        return value.strip()

    def secret(self, name: str, default: Optional[str] = None) -> str:
        """A text that may stand elsewhere: `env:NAME` in the environment, `file:PATH` in a file."""
        value = self.text(name, default)
        if value.startswith("env:"):
            found = os.environ.get(value[4:])
            if not found:
                raise self.wrong(name, f"the environment has no {value[4:]}")
            return found.strip()
        if value.startswith("file:"):
            path = self._folder / Path(value[5:]).expanduser()
            try:
                return path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise self.wrong(name, f"{path} cannot be read: {error}") from None
        return value

    def choice(self, name: str, choices: Collection[str], default: Optional[str] = None) -> str:
        """One of several words."""
        value = self.text(name, default)
        if value not in choices:
            raise self.wrong(
                name, f"must be one of {', '.join(sorted(choices))}, not {value!r}{_near(value, choices)}"
            )
        return value

    def flag(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, f"must be true or false, not {value!r}")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self._take(name)
        if value is None:
            return default
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(name, f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    def duration(self, name: str, default: Optional[float] = None) -> Optional[float]:
        """Seconds, from a number or a text such as "90s", "15m", "2h"."""
        value = self._take(name)
        if value is None:
            return default
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            return float(value)
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise self.wrong(name, f'must be a time such as "90s", "15m" or "2h", not {value!r}')
        return float(match.group(1)) * _UNITS[match.group(2)]

    def path(self, name: str) -> Optional[Path]:
        """A path, taken from the configuration file's folder if it is relative."""
        value = self.text(name, "")
        return self._folder / Path(value).expanduser() if value else None

    def texts(self, name: str, default: Tuple[str, ...] = ()) -> Tuple[str, ...]:
        """A list of texts."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(name, f'must be a list of texts such as ["a", "b"], not {value!r}')
        return tuple(value)

    def numbers(self, name: str) -> Optional[Tuple[float, ...]]:
        """A list of numbers, or None."""
        value = self._take(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(
            isinstance(i, (int, float)) and i is not True for i in value
        ):
            raise self.wrong(name, f"must be a list of numbers, not {value!r}")
        return tuple(float(item) for item in value)

    def raw(self, name: str) -> Any:
        """Whatever stands there."""
        return self._take(name)

    def table(self, name: str) -> Optional[Table]:
        """A table inside this one, or None."""
        value = self._take(name)
        return None if value is None else Table(value, self._inside(name), self._folder)

    def tables(self, name: str) -> list[Table]:
        """An array of tables, [[name]] in the file."""
        value = self._take(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, f"must be written as [[{self._inside(name)}]]")
        return [Table(item, f"{self._inside(name)}[{n}]", self._folder) for n, item in enumerate(value, 1)]

    def peek(self) -> Mapping[str, Any]:
        """What was not taken yet, left as it is."""
        return dict(self._values)

    def has(self, name: str) -> bool:
        """Whether the field is there (and not yet taken)."""
        return name in self._values

    def holds_list(self, name: str) -> bool:
        """Whether the field is there as a list, or an array of tables (and not yet taken)."""
        return isinstance(self._values.get(name), list)

    def done(self) -> None:
        """Reject unknown fields, which are mostly typos."""
        for name in self._values:
            raise self.wrong(name, f"is not known here{_near(name, self._known)}")

    def _inside(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name


def _near(word: str, choices: Collection[str]) -> str:
    near = difflib.get_close_matches(word, list(choices), 1)
    return f"; did you mean {near[0]}?" if near else ""
