"""Configuration parsing: valid settings, and errors that name the setting."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from layerwatch_sdk.clock import AsyncSystemClock
from layerwatch_watcher.notifications.build import build_channels, build_homeassistant
from layerwatch_watcher.watching.address_tables import printer_table_of
from layerwatch_watcher.watching.builders import build_camera, build_cameras, build_printer
from layerwatch_watcher.watching.policy import Action, BeforePrint
from layerwatch_watcher.watching.settings import WatcherSettings, read, read_file
from layerwatch_watcher.watching.toml_reader import ConfigError, Table

FULL = """
server = "http://127.0.0.1:8080"
key = "env:TEST_KEY"
log = "actions.jsonl"
pause_level = 4
interval = "30s"

[policy]
on_pause = ["notify", "pause", "gcode"]
gcode = ["M117 paused by Layerwatch"]
heaters_off_after = "20m"

[[printer]]
name = "octo"
kind = "octoprint"
url = "http://octopi.local"
key = "file:octo.key"

[[printer]]
name = "voron"
kind = "moonraker"
url = "voron.local:7125"
warning_level = 1
camera = { name = "nozzle", rotate = 180, ignore = [[0.0, 0.0, 0.2, 0.2]] }
policy = { on_pause = ["notify"], heaters_off_after = false }

[[printer]]
name = "a1"
kind = "bambu"
model = "a1"
host = "192.168.1.30"
serial = "039X"
code = "12345678"
camera = { light = true }

[[printer]]
name = "mk4"
kind = "prusalink"
url = "http://mk4.local"
password = "p"
camera = { url = "http://cam.local/shot.jpg" }
policy = { on_pause = ["pause"], heaters_off_after = false, gcode = [] }

[notify]
quiet_hours = "22:00-07:00"
digest = "1h"

[[notify.webhook]]
url = "https://example.org/hook"
secret = "s"
events = ["paused", "warning"]

[[notify.apprise]]
url = "json://localhost"

[notify.mqtt]
host = "homeassistant.local"
user = "u"
password = "p"
"""


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WatcherSettings:
    monkeypatch.setenv("TEST_KEY", "prod_abc")
    (tmp_path / "octo.key").write_text("octo-secret\n")
    path = tmp_path / "watch.toml"
    path.write_text(FULL)
    return read_file(path)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAYERWATCH_SERVER", "LAYERWATCH_URL", "LAYERWATCH_KEY", "LAYERWATCH_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_whole_file_is_read(full: WatcherSettings, tmp_path: Path) -> None:
    assert full.key == "prod_abc"
    assert full.journal == tmp_path / "actions.jsonl"
    octo, voron, _a1, _mk4 = full.printers
    assert octo.policy.heaters_off_after == 1200
    assert octo.policy.on_pause == (Action.NOTIFY, Action.PAUSE, Action.GCODE)
    assert (octo.levels.warning, octo.levels.pause, octo.min_interval) == (3, 4, 30)
    assert voron.policy.heaters_off_after is None
    assert voron.policy.on_pause == (Action.NOTIFY,)
    assert voron.levels.warning == 1
    assert full.notify.digest == timedelta(hours=1)


def printers_of(tmp_path: Path, **top: Any) -> list[BeforePrint]:
    """The modes of a printer that names none, of one that names its own, and of a camera alone."""
    mk4 = {"name": "mk4", "kind": "duet", "url": "http://mk4.local"}
    own = {**mk4, "name": "own", "before_print": "warn unless clear bed"}
    camera = {"name": "cam", "camera": {"url": "http://cam.local/shot.jpg"}}
    settings = read({"printer": [mk4, own, camera], **top}, tmp_path)
    return [printer.policy.before_print for printer in settings.printers]


def test_what_to_do_before_a_print_is_of_all_printers_or_of_one(tmp_path: Path) -> None:
    off, warn, require = BeforePrint
    assert printers_of(tmp_path) == [off, warn, off]
    assert printers_of(tmp_path, before_print="require clear bed") == [require, warn, off]


def test_before_a_print_a_camera_alone_can_do_nothing(tmp_path: Path) -> None:
    camera = {"url": "http://cam.local/shot.jpg"}
    table = {"name": "cam", "camera": camera, "before_print": "require clear bed"}
    with pytest.raises(ConfigError, match="before_print: needs a printer, kind and url"):
        read({"printer": [table]}, tmp_path)


def test_a_wrong_word_for_what_to_do_before_a_print_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"before_print: must be one of .*require clear bed"):
        printers_of(tmp_path, before_print="require clean bed")


async def test_a_whole_file_is_built(full: WatcherSettings) -> None:
    kinds = []
    async with httpx.AsyncClient() as client:
        for printer in full.printers:
            built = build_printer(printer.table, client)
            printer.table.done()
            (camera,) = build_cameras(
                printer.cameras, built, printer.table.place, client, AsyncSystemClock()
            ).values()
            kinds.append((type(built.printer).__name__, type(camera).__name__))
        channels = build_channels(full.notify, client)
        home = build_homeassistant(full.notify.mqtt)
    assert kinds == [
        ("OctoPrint", "FoundCamera"),
        ("MoonrakerSocket", "TransformedCamera"),
        ("Bambu", "LitCamera"),
        ("PrusaLink", "HttpCamera"),
    ]
    assert [channel.name for channel in channels] == ["webhook to example.org", "Apprise (JSON)"]
    assert home is not None and home.name == "MQTT at homeassistant.local"


PRINTER = {"name": "p", "kind": "octoprint", "url": "http://x", "key": "k"}


def complaint(values: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        settings = read(values, Path())
        client = httpx.AsyncClient()
        for printer in settings.printers:
            built = build_printer(printer.table, client)
            printer.table.done()
            build_cameras(printer.cameras, built, printer.table.place, client, AsyncSystemClock())
        build_channels(settings.notify, client)
        build_homeassistant(settings.notify.mqtt)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "no printer: add one as [[printer]]"),
        ({"printers": [PRINTER]}, "printers: is not known here; did you mean printer?"),
        ({"printer": [{**PRINTER, "kind": "octopi"}]}, "must be one of bambu, duet, moonraker"),
        ({"printer": [{**PRINTER, "kind": "octopi"}]}, "did you mean octoprint?"),
        ({"printer": [{**PRINTER, "url": 7}]}, "printer[1].url: must be a text in quotes, not 7"),
        ({"printer": [{"name": "p", "kind": "octoprint", "key": "k"}]}, "printer[1].url: is missing"),
        ({"printer": [{**PRINTER, "keey": "k"}]}, "printer[1].keey: is not known here; did you mean key?"),
        ({"printer": [{**PRINTER, "key": ""}]}, "printer[1]: OctoPrint needs an API key"),
        ({"printer": [PRINTER, PRINTER]}, "two printers are called p"),
        ({"printer": [{**PRINTER, "warning_level": 6}]}, "must be a whole number from 1 to 5, not 6"),
        ({"printer": [{**PRINTER, "warning_level": True}]}, "must be a whole number from 1 to 5, not True"),
        (
            {"printer": [{**PRINTER, "camera": {"rotate": 45}}]},
            "printer[1].camera.rotate: must be 0, 90, 180",
        ),
        (
            {"printer": [{**PRINTER, "camera": {"crop": [0, 0, 2, 1]}}]},
            "an area is [left, top, width, height]",
        ),
        (
            {"printer": [{**PRINTER, "camera": {"kind": "usb", "device": "/dev/video98"}}]},
            "no camera at /dev/video98",
        ),
        ({"printer": [{**PRINTER, "camera": {"kind": "bambu"}}]}, "is for a printer of that kind"),
        ({"printer": [PRINTER], "policy": {"on_pause": ["stop"]}}, "'stop' is not one of notify, pause"),
        ({"printer": [PRINTER], "policy": {"on_pause": ["gcode"]}}, "policy.gcode: is missing"),
        ({"printer": [PRINTER], "policy": {"heaters_off_after": "soon"}}, 'must be a time such as "90s"'),
        ({"printer": [PRINTER], "server": "http://x"}, "key: is missing: the server needs one"),
        (
            {"printer": [PRINTER], "server": "http://x", "key": "env:NOT_THERE"},
            "the environment has no NOT_THERE",
        ),
        ({"printer": [PRINTER], "notify": {"quiet_hours": "late"}}, 'must be written like "22:00-07:00"'),
        (
            {"printer": [PRINTER], "notify": {"webhook": [{"url": "ftp://x"}]}},
            "notify.webhook[1]: a webhook's url",
        ),
        (
            {"printer": [PRINTER], "notify": {"apprise": [{"url": "nonsense://x"}]}},
            "does not understand this address",
        ),
        (
            {"printer": [PRINTER], "notify": {"webhook": [{"url": "http://x", "events": ["fire"]}]}},
            "'fire' is not one of",
        ),
        (
            {"printer": [{"name": "d", "kind": "duet", "url": "http://d"}]},
            "a duet printer has no camera of its own",
        ),
    ],
)
async def test_errors_name_the_setting(values: dict[str, Any], message: str) -> None:
    assert message in complaint(values)


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    path.write_text("server = \n")
    with pytest.raises(ConfigError, match=r"is not TOML.*line 1"):
        read_file(path)


def test_a_secret_is_never_in_a_complaint() -> None:
    message = complaint({"printer": [{**PRINTER, "key": "s3cret", "url": "http://eva:s3cret@"}]})
    assert "s3cret" not in message


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), (45, 45), ("1.5 h", 5400)]
)
def test_times_as_people_write_them(text: Any, seconds: float) -> None:
    assert Table({"t": text}, "", Path()).duration("t") == seconds


@pytest.mark.parametrize(
    ("address", "table"),
    [
        ("octoprint://KEY@octopi.local", {"kind": "octoprint", "url": "http://octopi.local", "key": "KEY"}),
        ("moonraker://voron.local", {"kind": "moonraker", "url": "http://voron.local:7125"}),
        ("prusalink://maker:a%40b@mk4", {"kind": "prusalink", "url": "http://mk4", "password": "a@b"}),
        ("duet://:pw@duet?https=1", {"kind": "duet", "url": "https://duet", "password": "pw"}),
        (
            "bambu://12345678@10.0.0.3/01P00A?model=a1",
            {"host": "10.0.0.3", "serial": "01P00A", "model": "a1"},
        ),
    ],
)
def test_a_printer_in_one_word(address: str, table: dict[str, str]) -> None:
    assert table.items() <= printer_table_of(address).items()


@pytest.mark.parametrize("address", ["http://octopi.local", "octoprint://", "voron.local"])
def test_a_word_that_is_no_printer_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="octoprint://KEY@HOST"):
        printer_table_of(address)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"verify": False}, None),
        ({"certificate": "camera.pem"}, None),
        ({"certificate": "absent.pem"}, "is not a certificate in PEM form"),
        ({"certificate": "camera.pem", "verify": False}, "leave it out beside certificate"),
        ({"verify": "no"}, "verify"),
    ],
)
@pytest.mark.parametrize("where", ["printer", "camera"])
async def test_a_device_with_its_own_certificate_can_be_configured(
    where: str, options: dict[str, Any], wrong: str | None, tmp_path: Path
) -> None:
    trustme.CA().issue_cert("camera.invalid").cert_chain_pems[0].write_to_path(str(tmp_path / "camera.pem"))
    printer = {"name": "a", "kind": "octoprint", "url": "https://octopi.local", "key": "k"}
    camera = {"url": "https://camera.local/snap"}
    (printer if where == "printer" else camera).update(options)
    async with httpx.AsyncClient() as client:
        try:
            built = build_printer(Table(printer, "printer", tmp_path), client)
            build_camera(Table(camera, "camera", tmp_path), built, "printer", client, AsyncSystemClock())
        except ConfigError as error:
            assert wrong and wrong in str(error)
        else:
            assert wrong is None


def test_a_camera_is_enough_and_only_notifies() -> None:
    camera = {"url": "http://cam.local/shot.jpg"}
    (printer,) = read({"printer": [{"name": "cam", "camera": camera}]}, Path()).printers
    assert printer.camera_only and printer.policy.on_pause == (Action.NOTIFY,)
    paused = {"name": "cam", "camera": camera, "policy": {"on_pause": ["pause"]}}
    with pytest.raises(ConfigError, match="nothing can be paused"):
        read({"printer": [paused]}, Path())


async def test_a_printer_may_have_several_cameras() -> None:
    cameras = [{"url": "http://a/1"}, {"name": "top", "url": "http://b/1"}]
    (printer,) = read({"printer": [{**PRINTER, "camera": cameras}]}, Path()).printers
    async with httpx.AsyncClient() as client:
        built = build_printer(printer.table, client)
        made = build_cameras(printer.cameras, built, printer.table.place, client, AsyncSystemClock())
    assert list(made) == ["camera 1", "top"]


def test_two_cameras_of_one_name_are_refused() -> None:
    cameras = [{"name": "top", "url": "http://a/1"}, {"name": "top", "url": "http://b/1"}]
    assert "two cameras are called top" in complaint({"printer": [{**PRINTER, "camera": cameras}]})
