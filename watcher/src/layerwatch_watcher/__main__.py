"""`python -m layerwatch_watcher watch.toml`: the watcher without the server's package.

For a small computer such as a Raspberry Pi Zero 2, which needs `layerwatch-watcher` and nothing else. On a
machine with the server installed, `layerwatch watch --config` does the same and shows more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
from pathlib import Path

from layerwatch_watcher.stopping import on_termination
from layerwatch_watcher.watching import assembly, check_all, supervisor
from layerwatch_watcher.watching.check import report
from layerwatch_watcher.watching.checkpoint import default_folder
from layerwatch_watcher.watching.settings import WatcherSettings, read_file
from layerwatch_watcher.watching.toml_reader import ConfigError


def main() -> int:
    """Run the command line; gives the exit code."""
    if sys.argv[1:2] == ["setup"]:
        from layerwatch_watcher.setup import command

        return command.main(sys.argv[2:], "layerwatch-watcher", needs_server=True)
    parser = argparse.ArgumentParser(
        prog="layerwatch-watcher",
        description="Watch the printers of a configuration file, and act when a print fails.",
        epilog="layerwatch-watcher setup writes that file: see layerwatch-watcher setup --help",
    )
    parser.add_argument("config", type=Path, help="the configuration (TOML); see docs/watch.md")
    parser.add_argument("--check", action="store_true", help="test everything once and report problems")
    parser.add_argument("--test", action="store_true", help="send a test event through every channel")
    parser.add_argument(
        "--empty-bed",
        action="append",
        metavar="NAME",
        help="the bed of this printer is empty now: have the server remember how it looks",
    )
    parser.add_argument(
        "--json", action="store_true", help="what --check, --test and --empty-bed find, as JSON lines"
    )
    parser.add_argument("--state", type=Path, help="folder for state that survives a restart in mid-print")
    parser.add_argument("--verbose", action="store_true", help="log more")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    logging.getLogger("layerwatch_watcher").setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = read_file(options.config)
        if options.check:
            return asyncio.run(
                report(
                    check_all.check(settings, lambda: assembly.open_remote(settings)), as_json=options.json
                )
            )
        if options.test:
            return asyncio.run(report(check_all.try_channels(settings), as_json=options.json))
        if options.empty_bed:
            taught = check_all.teach_beds(settings, options.empty_bed, lambda: assembly.open_remote(settings))
            return asyncio.run(report(taught, as_json=options.json))
        return asyncio.run(_watch(settings, options.state or settings.state or default_folder()))
    except ConfigError as error:
        print(f"{options.config}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


async def _watch(settings: WatcherSettings, state: Path) -> int:
    task = asyncio.ensure_future(supervisor.watch(settings, assembly.open_remote(settings), state=state))
    on_termination(task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


if __name__ == "__main__":
    sys.exit(main())
