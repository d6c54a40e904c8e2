"""A process that is killed in the middle of its work: nothing of it runs on, and it gives nothing back."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

_PREFACE = """
import os, signal, sys
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(script: str, *arguments: str) -> None:
    """Run a script that calls `die()` at some point; `arguments` are its `sys.argv[1:]`."""
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", _PREFACE + script, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL, f"it was not killed: {ended.stderr}"
