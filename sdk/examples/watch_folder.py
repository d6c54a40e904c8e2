"""Watch a print by the newest picture in a folder, as timelapse tools and network cameras leave them.

    export LAYERWATCH_API_KEY=prod_…  LAYERWATCH_URL=http://127.0.0.1:8080
    python watch_folder.py /var/timelapse

Ends with Ctrl-C, when a pause is suggested, or after --pictures answers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Optional

from layerwatch_sdk import Client, Inspection, InspectionSession, LayerwatchError


def newest_picture(folder: Path) -> Optional[bytes]:
    """The bytes of the JPEG that was written last, or None while there is none."""
    pictures = [path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg")]
    if not pictures:
        return None
    return max(pictures, key=lambda path: path.stat().st_mtime).read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description="Watch a print by the newest picture in a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=0, help="stop after so many answers (0: never)")
    arguments = parser.parse_args()
    answers = 0

    def on_state(inspection: Inspection) -> None:
        nonlocal answers
        answers += 1
        print(f"quality {inspection.print_quality}/10, score {inspection.score}", flush=True)
        if inspection.warning_suggested:
            print("this print may be failing: have a look", flush=True)
        if inspection.pause_suggested:
            print("pause the printer now", flush=True)
        if inspection.pause_suggested or answers == arguments.pictures:
            session.stop()

    def on_error(error: LayerwatchError) -> None:
        print(f"trouble: {error}", file=sys.stderr, flush=True)

    with Client() as client:
        session = InspectionSession(client, lambda: newest_picture(arguments.folder), on_state, on_error)
        session.start()
        try:
            session.wait()
        except KeyboardInterrupt:
            session.stop()
    return 1 if session.error else 0


if __name__ == "__main__":
    sys.exit(main())
