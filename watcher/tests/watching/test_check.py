"""`--check` says in plain words what is wrong with a configuration, and does nothing to anything."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from watcher.tests.stand_ins import octoprint
from watcher.tests.stand_ins.broker import Broker
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.serve import serving

from layerwatch_sdk.testing import KEY
from layerwatch_watcher import __main__ as command
from layerwatch_watcher.watching import assembly, check, check_all
from layerwatch_watcher.watching.check import Finding
from layerwatch_watcher.watching.settings import read
from layerwatch_watcher.watching.toml_reader import ConfigError


def jpeg(colour: tuple[int, int, int], *, drawn: bool = False) -> bytes:
    image = Image.new("RGB", (640, 480), colour)
    if drawn:
        draw = ImageDraw.Draw(image)
        for n in range(0, 640, 8):
            draw.line((n, 0, 640 - n, 480), fill=(n % 255, 255 - n % 255, 128), width=3)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


class _Permissions(Sequence[str]):
    """What the house allows at the moment it is asked."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __getitem__(self, index: Any) -> Any:
        return self._house.permissions[index]

    def __len__(self) -> int:
        return len(self._house.permissions)


class House:
    """An OctoPrint, its cameras and a Layerwatch server in one."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.date = formatdate(usegmt=True)
        self.url = self.given = ""
        self.permissions: Sequence[str] = ("STATUS", "PRINT", "CONTROL")

    def app(self) -> Starlette:
        async def open_context(request: Request) -> Response:
            if request.headers.get("x-api-key") != KEY:
                return JSONResponse({"ErrorType": "OE_INVALID_API_KEY", "ErrorDetails": "Unknown."}, 401)
            url = f"{self.given or self.url}/api/gadget/v1/process/a"
            return JSONResponse(
                {"ContextId": "a", "ProcessRequestUrl": url, "FallbackProcessRequestUrl": url}
            )

        async def alive(request: Request) -> Response:
            return JSONResponse({}, headers={"date": self.date})

        async def picture(request: Request) -> Response:
            name = request.path_params["name"]
            if name == "gone":
                return HTMLResponse("no", 404)
            if name == "black":
                return Response(jpeg((3, 3, 4)), media_type="image/jpeg")
            return Response(jpeg((90, 90, 90), drawn=True), media_type="image/jpeg")

        host = octoprint.octoprint_app(self.machine, permissions=_Permissions(self))
        return Starlette(
            routes=[
                Route("/api/gadget/v1/createcontext", open_context, methods=["POST"]),
                Route("/livez", alive),
                Route("/cam/{name}", picture),
                *host.routes,
            ]
        )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    async with serving(house.app()) as url:
        house.url = url
        yield house


async def findings(house: House, tmp_path: Path, **changes: Any) -> list[Finding]:
    printer = {
        "name": "ender",
        "kind": "octoprint",
        "url": house.url,
        "key": octoprint.KEY,
        "camera": {"url": f"{house.url}/cam/good"},
        **changes.pop("printer", {}),
    }
    values = {"server": house.url, "key": KEY, "printer": [printer], **changes}
    settings = read(values, tmp_path)
    return [finding async for finding in check_all.check(settings, lambda: assembly.open_remote(settings))]


def wrong(found: list[Finding]) -> Finding:
    """The one that is not well."""
    (bad,) = [finding for finding in found if finding.ok is not True]
    return bad


@pytest.fixture
def nobody() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


async def test_all_is_well(house: House, tmp_path: Path) -> None:
    found = await findings(house, tmp_path)
    assert [finding.subject for finding in found] == ["server", "ender, printer", "ender, camera"]
    assert all(finding.ok is True for finding in found)
    assert house.machine.commands == [], "and nothing was done to the printer"


async def test_a_key_that_may_read_but_not_pause(house: House, tmp_path: Path) -> None:
    house.permissions = ("STATUS",)
    bad = wrong(await findings(house, tmp_path))
    assert (bad.subject, bad.ok) == ("ender, printer", False)
    assert "lacks the permission PRINT and CONTROL" in bad.what and "Access Control" in bad.hint
    assert house.machine.commands == []


async def test_a_server_that_names_an_address_that_does_not_work_from_here(
    house: House, tmp_path: Path, nobody: str
) -> None:
    house.given = f"http://{nobody}"
    bad = wrong(await findings(house, tmp_path))
    assert (bad.subject, bad.ok) == ("server", False)
    assert f"gives http://{nobody} as the address for pictures, which is not reachable from here" in bad.what
    assert f"--public-url {house.url}" in bad.hint


async def test_a_wrong_key(house: House, tmp_path: Path) -> None:
    bad = wrong(await findings(house, tmp_path, key="prod_wrong"))
    assert (bad.subject, bad.ok) == ("server", False)
    assert bad.what == "the server does not know this key"
    assert bad.hint == "make one with: layerwatch keys create --name NAME"


async def test_a_wrong_address_of_the_server(house: House, tmp_path: Path, nobody: str) -> None:
    bad = wrong(await findings(house, tmp_path, server=f"http://{nobody}"))
    port = nobody.rpartition(":")[2]
    assert bad.what == (
        f"the server http://{nobody} is not reachable: nothing listens at 127.0.0.1, port {port}"
    )
    assert "layerwatch serve" in bad.hint


async def test_another_program_where_the_server_should_be(house: House, tmp_path: Path) -> None:
    async with serving(Starlette(routes=[])) as other:
        bad = wrong(await findings(house, tmp_path, server=other))
    assert bad.what == f"what answers at {other} is not a Layerwatch server"


async def test_a_camera_address_that_does_not_exist(house: House, tmp_path: Path) -> None:
    bad = wrong(await findings(house, tmp_path, printer={"camera": {"url": f"{house.url}/cam/gone"}}))
    assert (bad.subject, bad.ok) == ("ender, camera", False)
    assert "there is no such page" in bad.what and "check the path" in bad.hint


@pytest.mark.parametrize("pillow", [True, False])
def test_a_black_picture_is_known_with_and_without_pillow(
    pillow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    black, good = jpeg((3, 3, 4)), jpeg((90, 90, 90), drawn=True)
    if not pillow:
        monkeypatch.setitem(sys.modules, "PIL", None)
    assert check.shows_nothing(black, (640, 480))
    assert not check.shows_nothing(good, (640, 480))


async def test_a_black_picture_is_reported_with_what_to_do(house: House, tmp_path: Path) -> None:
    bad = wrong(await findings(house, tmp_path, printer={"camera": {"url": f"{house.url}/cam/black"}}))
    assert bad.ok is None
    assert "nearly black" in bad.what and "switch the light on" in bad.hint


async def test_a_printer_where_nothing_listens(house: House, tmp_path: Path, nobody: str) -> None:
    bad = wrong(await findings(house, tmp_path, printer={"url": f"http://{nobody}"}))
    assert (bad.subject, bad.ok) == ("ender, printer", False)
    assert "nothing listens at 127.0.0.1" in bad.what and "check the port" in bad.hint


async def test_a_wrong_login_of_the_printer(house: House, tmp_path: Path) -> None:
    bad = wrong(await findings(house, tmp_path, printer={"key": "secretive"}))
    assert "refuses the login" in bad.what and "Application Keys" in bad.hint
    assert "secretive" not in bad.line()


async def test_certificates_that_are_not_trusted(house: House, tmp_path: Path, tls: Any) -> None:
    async with serving(house.app(), tls=tls.server) as url:
        camera = {"url": f"{url}/cam/good"}
        found = await findings(house, tmp_path, server=url, printer={"url": url, "camera": camera})
    assert [finding.ok for finding in found] == [False, False, False]
    assert all("an untrusted certificate" in finding.what for finding in found)
    assert "SSL_CERT_FILE" in found[0].what


async def test_a_broker_that_refuses(house: House, tmp_path: Path, nobody: str) -> None:
    host, _, port = nobody.partition(":")
    notify = {"mqtt": {"host": host, "port": int(port), "user": "lw", "password": "hidden"}}
    bad = wrong(await findings(house, tmp_path, notify=notify))
    assert (bad.subject, bad.ok) == ("notify", False)
    assert bad.what.startswith(f"nothing listens at {host}, port {port}")


async def test_a_broker_that_refuses_the_login(house: House, tmp_path: Path) -> None:
    broker = await asyncio.start_server(Broker("lw", "right").serve, "127.0.0.1", 0)
    port = broker.sockets[0].getsockname()[1]
    notify = {"mqtt": {"host": "127.0.0.1", "port": port, "user": "lw", "password": "hidden"}}
    bad = wrong(await findings(house, tmp_path, notify=notify))
    assert "refuses the login: check user and password" in bad.what and "hidden" not in bad.line()
    notify["mqtt"]["password"] = "right"
    assert (await findings(house, tmp_path, notify=notify))[-1].what == "answers and accepts the login"
    broker.close()


def test_no_printer_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no printer: add one as \[\[printer\]\], with name, kind and url"):
        read({}, tmp_path)


async def test_a_clock_that_is_wrong(house: House, tmp_path: Path) -> None:
    house.date = "Thu, 01 Jan 2026 00:00:00 GMT"
    bad = wrong(await findings(house, tmp_path))
    assert (bad.subject, bad.ok) == ("clock", None)
    assert "ahead of the server's" in bad.what and "set-ntp" in bad.hint


async def test_a_printer_without_a_camera(house: House, tmp_path: Path) -> None:
    values = {"name": "railcore", "kind": "duet", "url": house.url}
    settings = read({"server": house.url, "key": KEY, "printer": [values]}, tmp_path)
    found = [finding async for finding in check_all.check(settings, lambda: assembly.open_remote(settings))]
    assert "a duet printer has no camera of its own; add camera" in wrong(found).what


async def test_scripts_get_json_and_an_exit_code(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def two() -> AsyncIterator[Finding]:
        yield Finding("server", True, "answers")
        yield Finding("ender, camera", False, "is gone", "look for it")

    assert await command.report(two(), as_json=True) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        {"subject": "server", "ok": "yes", "what": "answers", "hint": ""},
        {"subject": "ender, camera", "ok": "no", "what": "is gone", "hint": "look for it"},
    ]


async def test_a_server_that_tells_no_time_is_not_asked_again() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        assert await check.check_clock(client, "http://a") is None
