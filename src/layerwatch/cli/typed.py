"""The command as it was typed, so that what is printed can be typed next."""

from __future__ import annotations

import sys
from pathlib import Path


def program() -> str:
    """`.venv/bin/layerwatch` when it was called like that; else the plain name."""
    typed = sys.argv[0] if sys.argv else ""
    return typed if Path(typed).name == "layerwatch" and not Path(typed).is_absolute() else "layerwatch"
