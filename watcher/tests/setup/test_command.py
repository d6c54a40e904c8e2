"""`setup` writes a file that watches, of what was tried and works, and never over another one by accident."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins import octoprint, prusalink
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.moonraker import moonraker_app
from watcher.tests.stand_ins.serve import serving
from watcher.tests.watching.test_check import jpeg

from layerwatch.config import load
from layerwatch_sdk.testing import KEY, FakeService
from layerwatch_watcher.setup import command
from layerwatch_watcher.setup.found import FoundPrinter
from layerwatch_watcher.watching.policy import BeforePrint
from layerwatch_watcher.watching.settings import read_file
from tests.support.servers import running

PICTURE = jpeg((90, 120, 60), drawn=True)


class Answers:
    """A person who answers each question by what is in it; "" to the others."""

    def __init__(self, **answers: str) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def text(self, question: str) -> str:
        self.asked.append(question)
        return next((a for part, a in self._answers.items() if part.replace("_", " ") in question), "")

    secret = text


@dataclass
class Network:
    """Stand-ins on this machine, and what was sent to the channel."""

    octoprint: str = ""
    moonraker: str = ""
    prusalink: str = ""
    camera: str = ""
    channel: str = ""
    messages: list[Any] = field(default_factory=list)
    channel_status: int = 200

    def camera_app(self) -> Starlette:
        async def snapshot(request: Request) -> Response:
            return Response(PICTURE, media_type="image/jpeg")

        async def message(request: Request) -> Response:
            self.messages.append(await request.json())
            return JSONResponse({}, self.channel_status)

        return Starlette(routes=[Route("/shot.jpg", snapshot), Route("/hook", message, methods=["POST"])])


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    made = Network()
    async with AsyncExitStack() as stack:

        async def host(app: Any) -> str:
            return (await stack.enter_async_context(serving(app))).removeprefix("http://")

        made.moonraker = await host(moonraker_app(Machine(), PICTURE))
        made.prusalink = await host(prusalink.prusalink_app(Machine()))
        camera = await host(made.camera_app())
        made.camera, made.channel = f"http://{camera}/shot.jpg", f"json://{camera}/hook"
        made.octoprint = await host(octoprint.octoprint_app(Machine(), made.camera))
        yield made


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRINTER", "SERVER", "URL", "KEY", "API_KEY"):
        monkeypatch.delenv(f"LAYERWATCH_{name}", raising=False)


async def run(*arguments: str, answers: Answers | None = None, **more: Any) -> int:
    """The command, on a thread: it runs an event loop of its own."""
    return await asyncio.to_thread(
        lambda: command.main(arguments, "layerwatch watch --config", asker=answers, **more)
    )


def finds(*found: FoundPrinter, missed: str = "") -> Callable[[], Any]:
    async def search() -> tuple[list[FoundPrinter], str]:
        return list(found), missed

    return search


async def test_a_script_gives_everything_and_gets_a_file_that_watches(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "watch.toml"
    code = await run(
        "--json", "--output", str(path), "--printer", f"octoprint://{octoprint.KEY}@{network.octoprint}",
        "--notify", network.channel,
    )  # fmt: skip
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert [line["subject"] for line in lines[:2]] == ["127.0.0.1, printer", "127.0.0.1, camera"]
    assert "640x480" in lines[1]["what"] and all(line["ok"] == "yes" for line in lines[:3])
    assert lines[-1] == {"written": str(path), "start": f"layerwatch watch --config {path}"}
    (printer,) = read_file(path).printers
    assert (printer.name, printer.camera_only) == ("127.0.0.1", False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_test_message_has_a_picture(network: Network, tmp_path: Path) -> None:
    await run("--output", str(tmp_path / "w"), "--camera", network.camera, "--notify", network.channel)
    (message,) = network.messages
    assert message["attachments"][0]["mimetype"] == "image/jpeg"


async def test_a_person_chooses_a_printer_that_was_found(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    host, port = network.octoprint.split(":")
    answers = Answers(Search="y", number_above="1", API_key=octoprint.KEY, Camera="", Apprise="")
    found = FoundPrinter("octoprint", host, int(port), 'My "OctoPi"')
    assert await run("--output", str(path), answers=answers, search=finds(found)) == 0
    (printer,) = read_file(path).printers
    assert printer.name == 'My "OctoPi"'


async def test_without_a_search_an_address_is_typed(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    answers = Answers(Search="n", Printer=f"moonraker://{network.moonraker}", Camera=network.camera)
    assert await run("--output", str(path), answers=answers) == 0
    assert len(read_file(path).printers[0].cameras) == 1


async def test_a_camera_alone_is_enough(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    assert await run("--output", str(path), "--camera", network.camera) == 0
    assert read_file(path).printers[0].camera_only


async def test_a_wrong_login_is_said_and_asked_for_again(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "watch.toml"
    answers = Answers(Printer=f"prusalink://{network.prusalink}", Camera=network.camera, again="y")
    passwords = iter(["wrong", prusalink.PASSWORD])
    answers.secret = lambda question: next(passwords, "")  # type: ignore[method-assign]
    assert await run("--output", str(path), answers=answers) == 0
    assert capsys.readouterr().out.count("✗") == 1


async def test_what_does_not_work_is_not_written(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    printer = f"octoprint://WRONG@{network.octoprint}"
    assert await run("--output", str(path), "--printer", printer) == 1
    network.channel_status = 500
    good = ("--output", str(path), "--camera", network.camera)
    assert await run(*good, "--notify", network.channel) == 1
    assert await run("--output", str(path), "--printer", "moonraker://127.0.0.1:99999") == 2
    assert not path.exists()


async def test_a_file_that_exists_is_left_alone_unless_said_otherwise(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "watch.toml"
    path.write_text("# mine\n")
    arguments = ("--output", str(path), "--camera", network.camera)
    assert await run(*arguments) == 2
    assert "--add, --overwrite" in capsys.readouterr().err
    assert await run(*arguments, answers=Answers()) == 2
    assert path.read_text() == "# mine\n"
    assert await run(*arguments, "--overwrite") == 0
    assert "# mine" not in path.read_text() and stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_printer_is_added_to_a_file_which_is_kept_as_it_is(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    arguments = ("--output", str(path), "--camera", network.camera)
    await run(*arguments, "--notify", network.channel)
    before = "# mine\n" + path.read_text()
    path.write_text(before)
    assert await run(*arguments, "--add") == 0
    assert path.read_text().startswith(before)
    assert [printer.name for printer in read_file(path).printers] == ["camera", "camera 2"]
    assert len(network.messages) == 1, "the file had a channel"


async def test_a_file_that_is_not_a_watchers_is_not_added_to(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    path.write_text("hello = 1\n")
    assert await run("--output", str(path), "--camera", network.camera, "--add") == 2
    assert path.read_text() == "hello = 1\n"


async def test_finding_alone_lists_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    found = FoundPrinter("bambu", "192.168.1.30", 0, "x1", "01S00A2B0000001", "x1c")
    assert await run("--find", "--json", search=finds(found, missed="no zeroconf")) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["found"]["serial"] == "01S00A2B0000001"
    assert lines[1] == {"not_searched": "no zeroconf"}
    assert await run("--find", search=finds()) == 1
    assert await run() == 2, "nothing is searched that was not asked for"


async def test_holding_prints_is_offered_and_the_empty_bed_remembered(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "watch.toml"
    with running(load(data_dir=tmp_path / "server", log_level="error")) as server:
        answers = Answers(Hold="y", Is_the_bed_empty="y", Camera=network.camera, key=server.new_key())
        printer = f"moonraker://{network.moonraker}"
        code = await run(
            "--output", str(path), "--printer", printer, "--server", server.url, answers=answers
        )  # fmt: skip
        assert code == 0, capsys.readouterr().out
    (watched,) = read_file(path).printers
    assert watched.policy.before_print is BeforePrint.REQUIRE
    assert "127.0.0.1, camera: its empty bed is remembered" in capsys.readouterr().out


async def test_without_a_server_holding_prints_is_not_offered(network: Network, tmp_path: Path) -> None:
    path, answers = tmp_path / "watch.toml", Answers(Camera=network.camera)
    assert (
        await run("--output", str(path), "--printer", f"moonraker://{network.moonraker}", answers=answers)
        == 0
    )
    assert not any("bed" in question for question in answers.asked)


async def test_a_machine_without_a_detector_needs_a_server(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "watch.toml"
    arguments = ("--output", str(path), "--camera", network.camera)
    assert await run(*arguments, needs_server=True) == 2
    monkeypatch.setenv("LAYERWATCH_KEY", KEY)
    with FakeService(time.monotonic).serve() as url:
        assert await run(*arguments, "--server", url, needs_server=True) == 0
        assert read_file(path).server == url
    assert KEY not in path.read_text()
