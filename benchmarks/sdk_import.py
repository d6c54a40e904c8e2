"""What the SDK costs a process: time to import it, time until a first client, memory with one client.

    python benchmarks/sdk_import.py
    python benchmarks/sdk_import.py --python /opt/py39/bin/python /opt/py313/bin/python --json

Each figure is the median of fresh interpreters, bytecode already compiled; processor time, so that a busy
machine changes little. The interpreters need layerwatch-sdk installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PROBE = """
import json, sys, time
began = time.process_time()
import layerwatch_sdk
imported = time.process_time()
client = layerwatch_sdk.Client("prod_x", "http://127.0.0.1:1")
ready = time.process_time()
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "python": sys.version.split()[0],
    "import_ms": (imported - began) * 1000,
    "client_ms": (ready - imported) * 1000,
    "memory_mb": int(status["VmRSS"].split()[0]) / 1000,
}))
"""


def measure(python: Path, times: int) -> dict[str, Any]:
    """The medians of one interpreter."""
    runs = []
    for number in range(times + 1):
        done = subprocess.run([str(python), "-c", PROBE], capture_output=True, text=True, check=True)
        if number:  # the first one compiles
            runs.append(json.loads(done.stdout))
    names = [name for name in runs[0] if name != "python"]
    medians = {name: round(statistics.median(run[name] for run in runs), 1) for name in names}
    return {"python": runs[0]["python"], **medians}


def main() -> None:
    """Parse, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", nargs="+", type=Path, default=[Path(sys.executable)])
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options = parser.parse_args()
    rows = [measure(python, options.times) for python in options.python]
    if options.json:
        print(json.dumps(rows))
        return
    table = Table(title=f"layerwatch-sdk, median of {options.times}", title_justify="left")
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
