"""Fuzz one target after the other: python -m tests.fuzz [--seconds 600] [TARGET ...]

Inputs that reach new code are kept in var/fuzz/TARGET and are the starting point of the next run. An input
that violates a target is written to var/fuzz, and the command fails. Fix the fault, then copy the input into
tests/fuzz/corpus/TARGET.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
FOUND = Path("var/fuzz")
TARGETS = sorted(path.stem for path in (HERE / "targets").glob("[a-z]*.py"))

MAX_INPUT_BYTES = 4096
SLOW_INPUT_S = 10
MEMORY_MIB = 2048


def fuzz(target: str, seconds: int) -> int:
    """Fuzz a target in a process by itself; its exit status."""
    found = FOUND / target
    found.mkdir(parents=True, exist_ok=True)
    return subprocess.call(
        [
            *(sys.executable, "-m", "tests.fuzz", "--one", target, str(found), str(HERE / "corpus" / target)),
            f"-max_total_time={seconds}",
            f"-max_len={MAX_INPUT_BYTES}",
            f"-timeout={SLOW_INPUT_S}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-artifact_prefix={FOUND / target}-",
            *("-print_final_stats=1", "-verbosity=1"),
        ]
    )


def run_target(target: str, arguments: list[str]) -> None:
    """Hand this process to libFuzzer. arguments: its own."""
    import atheris

    with atheris.instrument_imports(include=["layerwatch", "python_multipart", "h11"]):
        check = import_module(f"tests.fuzz.targets.{target}").check
    atheris.Setup([target, *arguments], check)
    atheris.Fuzz()


def main() -> int:
    if sys.argv[1:2] == ["--one"]:
        run_target(sys.argv[2], sys.argv[3:])
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600, help="time for all targets together (600)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    options = parser.parse_args()
    targets = options.targets or TARGETS
    failed = [name for name in targets if fuzz(name, options.seconds // len(targets))]
    print(f"violated: {', '.join(failed)}" if failed else f"clean: {', '.join(targets)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
