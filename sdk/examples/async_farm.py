"""Watch many printers from one process: one client, one task a printer.

    export LAYERWATCH_API_KEY=prod_…  LAYERWATCH_URL=http://127.0.0.1:8080
    python async_farm.py bench=http://192.168.1.20/webcam/?action=snapshot attic=http://192.168.1.21/snapshot.jpg

Ends with Ctrl-C, or after --pictures answers from each printer.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Dict

import httpx

from layerwatch_sdk import AsyncClient, AsyncInspectionSession, Inspection, LayerwatchError


async def watch(
    name: str, snapshot_url: str, client: AsyncClient, cameras: httpx.AsyncClient, pictures: int
) -> None:
    """Watch one printer until stopped."""
    answers = 0

    async def on_image() -> bytes:
        response = await cameras.get(snapshot_url)
        response.raise_for_status()
        return response.content

    async def on_state(inspection: Inspection) -> None:
        nonlocal answers
        answers += 1
        verdict = "PAUSE" if inspection.pause_suggested else "warn" if inspection.warning_suggested else "ok"
        print(f"{name}: {verdict}, quality {inspection.print_quality}/10", flush=True)
        if answers == pictures:
            await session.stop()

    def on_error(error: LayerwatchError) -> None:
        print(f"{name}: {error}", file=sys.stderr, flush=True)

    async with AsyncInspectionSession(client, on_image, on_state, on_error) as session:
        await session.wait()


async def farm(printers: Dict[str, str], pictures: int) -> None:
    """Watch all printers at once."""
    async with AsyncClient() as client, httpx.AsyncClient(timeout=10) as cameras:
        await asyncio.gather(*[watch(name, url, client, cameras, pictures) for name, url in printers.items()])


def main() -> None:
    parser = argparse.ArgumentParser(description="Watch many printers from one process.")
    parser.add_argument("printers", nargs="+", metavar="NAME=SNAPSHOT_URL")
    parser.add_argument("--pictures", type=int, default=0, help="stop after so many answers each (0: never)")
    arguments = parser.parse_args()
    printers = dict(printer.split("=", 1) for printer in arguments.printers)
    try:
        asyncio.run(farm(printers, arguments.pictures))
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
