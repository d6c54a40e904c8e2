"""The watcher, its client and the plugin against the real OctoPrint with its virtual printer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from watcher.tests.real import octoprint_plugin_real
from watcher.tests.real.octoprint_real import RealOctoPrint, failing, false_alarm, healthy, protocol
from watcher.tests.real.scene import Report, layerwatch_server

SPEED = 20.0

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def octo(octoprint_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealOctoPrint]:
    octo = RealOctoPrint(octoprint_program, tmp_path_factory.mktemp("octo"))
    yield octo
    octo.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with layerwatch_server(tmp_path_factory.mktemp("server"), SPEED) as server:
        yield server


@pytest.mark.parametrize("part", [failing, false_alarm, healthy], ids=lambda part: part.__name__)
async def test_the_watcher(
    part: object, octo: RealOctoPrint, server: tuple[str, str], tmp_path: Path
) -> None:
    report = Report()
    await part(octo, server, tmp_path, SPEED, report)  # type: ignore[operator]
    assert not report.bad


async def test_our_client_command_by_command(octo: RealOctoPrint) -> None:
    report = Report()
    await protocol(octo, report)
    assert not report.bad


async def test_the_plugin_and_its_settings_page(octo: RealOctoPrint) -> None:
    assert await octoprint_plugin_real.run(octo) == 0
    await asyncio.to_thread(octo.close)
