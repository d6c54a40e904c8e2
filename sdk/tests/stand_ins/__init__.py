"""The stand-ins are at `watcher/tests/stand_ins`; their old name still imports them."""

from pathlib import Path

__path__ = [str(Path(__file__).parents[3] / "watcher" / "tests" / "stand_ins")]
