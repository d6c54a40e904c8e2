"""The configurations in the documentation work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from layerwatch_sdk.clock import AsyncSystemClock
from layerwatch_watcher.cameras import ffmpeg
from layerwatch_watcher.notifications.build import build_channels, build_homeassistant
from layerwatch_watcher.watching.builders import CAMERAS, PRINTERS, build_cameras, build_printer
from layerwatch_watcher.watching.settings import read_file

DOCS = Path(__file__).parents[3] / "docs"
PAGES = [
    DOCS / "watch.md",
    *sorted((DOCS / "cameras").glob("*.md")),
    *sorted((DOCS / "printers").glob("*.md")),
]
BLOCKS = [
    (page, number, text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL), 1)
]


@pytest.mark.parametrize(("page", "number", "text"), BLOCKS, ids=[f"{p.stem}-{n}" for p, n, _ in BLOCKS])
async def test_a_configuration_is_read_and_built(
    page: Path, number: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LAYERWATCH_KEY", "HOOK_SECRET", "MQTT_PASSWORD", "CAMERA_PASSWORD"):
        monkeypatch.setenv(name, "a-secret")
    (tmp_path / "mk4.password").write_text("p")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "video0").touch()
    monkeypatch.setattr(ffmpeg, "find_ffmpeg", lambda: "/usr/bin/ffmpeg")
    text = text.replace("/dev/video0", str(tmp_path / "video0"))
    config = tmp_path / "watch.toml"
    config.write_text(text)
    settings = read_file(config)
    async with httpx.AsyncClient() as client:
        for printer in settings.printers:
            built = build_printer(printer.table, client)
            printer.table.done()
            build_cameras(printer.cameras, built, printer.table.place, client, AsyncSystemClock())
        build_channels(settings.notify, client)
        build_homeassistant(settings.notify.mqtt)


@pytest.mark.parametrize("kind", PRINTERS)
def test_every_kind_of_printer_has_a_page_with_a_configuration(kind: str) -> None:
    assert f'kind = "{kind}"' in (DOCS / "printers" / f"{kind}.md").read_text()


@pytest.mark.parametrize("kind", [kind for kind in CAMERAS if kind != "file"])
def test_every_kind_of_camera_has_a_page_with_a_configuration(kind: str) -> None:
    assert "```toml" in (DOCS / "cameras" / f"{kind}.md").read_text()
