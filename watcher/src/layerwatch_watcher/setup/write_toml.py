"""Writing the watcher's file: readable by its owner only, and never over another one by accident."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def toml_of(values: Mapping[str, Any]) -> str:
    """A TOML document of texts, numbers, flags, tables and arrays of tables."""
    return "\n".join(_lines(values, "")).lstrip("\n") + "\n"


def write(path: Path, text: str, *, overwrite: bool) -> None:
    """Write `text` with mode 0600, all of it or nothing.

    Raises FileExistsError without `overwrite`, and OSError.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mkstemp's mode is 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if not overwrite:  # unlike a rename, this fails where something is
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _lines(values: Mapping[str, Any], place: str) -> list[str]:
    lines = [
        f"{key} = {_scalar(value)}" for key, value in values.items() if not isinstance(value, (dict, list))
    ]
    for key, value in values.items():
        inside = f"{place}.{key}" if place else key
        if isinstance(value, dict):
            lines += ["", f"[{inside}]", *_lines(value, inside)]
        elif isinstance(value, list):
            for item in value:
                lines += ["", f"[[{inside}]]", *_lines(item, inside)]
    return lines


def _scalar(value: object) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
