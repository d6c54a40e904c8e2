"""`layerwatch watch` on recordings and cameras, with the detector in-process and with a server."""

from __future__ import annotations

import io
import json
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import trustme
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.cli.watch_screen import LiveScreen, clock, sparkline
from layerwatch.vision import KINDS, Picture, RawDetection, Vision
from layerwatch_sdk.models import Detail, Inspection, NextInterval
from layerwatch_watcher.watching.print_session import Look, Trouble

run = CliRunner()


class RedIsFailure:
    """A detector double: what is red has failed."""

    size = 64
    version = "red-1"

    def detect(self, images: Sequence[Picture]) -> list[RawDetection]:
        found = []
        for image in images:
            red = image[..., 0].astype(float) - image[..., 1]
            cells = red.reshape(8, 8, 8, 8).mean(axis=(1, 3))
            map = np.where(cells > 40, 0.98, 0.02).astype(np.float32)
            failure = float(map.max())
            kinds = (failure,) + (0.01,) * (len(KINDS) - 1)
            found.append(RawDetection(failure, kinds, map, 0.99))
        return found


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAYERWATCH_SERVER", "LAYERWATCH_URL", "LAYERWATCH_KEY", "LAYERWATCH_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        Vision, "load", classmethod(lambda cls, *a, **k: cls(RedIsFailure(), decoders=1, workers=1))
    )


def picture(seed: int, *, failed: bool = False, size: tuple[int, int] = (320, 240)) -> bytes:
    random = np.random.default_rng(seed)
    scene = np.random.default_rng(0).integers(60, 170, (size[1] // 20, size[0] // 20, 1))
    shades = scene.repeat(20, 0).repeat(20, 1) + random.integers(0, 30, (size[1], size[0], 3))
    shades = shades.astype(np.uint8)
    if failed:
        shades[100:160, 130:210, 1:] //= 3
    out = io.BytesIO()
    Image.fromarray(shades).save(out, "JPEG", quality=70)
    return out.getvalue()


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Half a healthy print, then one that has failed."""
    for number in range(24):
        (tmp_path / f"{number:03d}.jpg").write_bytes(picture(number, failed=number >= 12))
    return tmp_path


def objects(*arguments: str) -> list[dict[str, object]]:
    result = run.invoke(app, ["watch", *arguments, "--json"])
    assert result.exit_code == 0, result.output + result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_recording_is_processed_at_once_and_its_failure_reported(frames: Path) -> None:
    seen = objects(str(frames), "--interval", "30")
    assert len(seen) == 24
    assert [look["second"] for look in seen] == [30.0 * n for n in range(24)]
    assert not any(look["warning"] or look["pause"] for look in seen[:12])
    assert any(look["pause"] for look in seen[12:])
    assert all(1 <= look["quality"] <= 10 and 0 <= look["score"] <= 100 for look in seen)  # type: ignore[operator]
    assert seen[-1]["kind"] == "spaghetti"


def test_a_lower_level_never_pauses_later(frames: Path) -> None:
    first = {}
    for level in ("1", "5"):
        seen = objects(str(frames), "--pause-level", level, "--warning-level", level)
        first[level] = next((look["number"] for look in seen if look["pause"]), 99)
    assert first["1"] <= first["5"]  # type: ignore[operator]


def test_once_looks_once(frames: Path) -> None:
    assert len(objects(str(frames), "--once")) == 1


def test_without_a_terminal_it_prints_plain_lines(frames: Path) -> None:
    result = run.invoke(app, ["watch", str(frames)])
    assert result.exit_code == 0
    assert "PAUSE spaghetti" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_broken_frame_is_reported_and_the_rest_is_seen(frames: Path) -> None:
    (frames / "005.jpg").write_bytes(b"\xff\xd8\xff broken")
    seen = objects(str(frames))
    assert len(seen) == 24
    assert "005.jpg" in str(seen[5]["error"])
    assert seen[6]["quality"]


@pytest.mark.parametrize(
    ("source", "said"),
    [("/no/such/place", "not a folder, file or address"), ("ftp://x/y", "not supported")],
)
def test_a_source_that_cannot_be_is_refused_in_plain_words(source: str, said: str) -> None:
    result = run.invoke(app, ["watch", source])
    assert result.exit_code == 1
    assert said in result.stderr
    assert "→" in result.stderr
    assert "Traceback" not in result.stderr


class Service(BaseHTTPRequestHandler):
    """A Layerwatch server and a camera in one: the contract's answers, the least of them."""

    pictures: ClassVar[list[bytes]] = []
    refused: ClassVar[bool] = False
    processed: ClassVar[int] = 0

    def do_GET(self) -> None:
        if self.path == "/page":
            self._send(200, b"<html><title>My printer</title></html>", "text/html")
        else:
            self._send(200, picture(1), "image/jpeg")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers["X-API-Key"] != "prod_good":
            self._json(401, {"ErrorType": "OE_INVALID_API_KEY", "ErrorDetails": "Unknown key."})
        elif self.path.endswith("/createcontext"):
            url = f"http://127.0.0.1:{self.server.server_port}/api/gadget/v1/process/abc"  # type: ignore[attr-defined]
            answer = {"ContextId": "abc", "ProcessRequestUrl": url, "FallbackProcessRequestUrl": url}
            self._json(200, answer)
        else:
            assert b"\xff\xd8\xff" in body
            type(self).processed += 1
            self._json(
                200,
                {
                    "NextProcessIntervalSec": 20,
                    "PrintQuality": 8,
                    "WarningSuggested": False,
                    "PauseSuggested": False,
                    "Score": 12,
                },
            )

    def _json(self, status: int, answer: dict[str, object]) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    Service.processed = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_with_a_server_its_answer_is_shown(service: str) -> None:
    (look,) = objects(f"{service}/snapshot", "--server", service, "--key", "prod_good", "--once")
    assert (look["quality"], look["score"], look["next"]) == (8, 12, 20)
    assert Service.processed == 1


def test_the_key_comes_from_the_environment(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERWATCH_SERVER", service)
    monkeypatch.setenv("LAYERWATCH_KEY", "prod_good")
    (look,) = objects(f"{service}/snapshot", "--once")
    assert look["quality"] == 8


def check(*arguments: str) -> tuple[int, str]:
    result = run.invoke(app, ["watch", *arguments, "--check"])
    return result.exit_code, result.stdout


def test_check_says_that_all_is_well(service: str) -> None:
    code, said = check(f"{service}/snapshot", "--server", service, "--key", "prod_good")
    assert code == 0
    assert "✓ camera: gives a JPEG of 320x240 pixels" in said
    assert "accepts this key" in said
    assert Service.processed == 0, "a check is free"


def test_check_needs_no_server(frames: Path) -> None:
    code, said = check(str(frames))
    assert code == 0
    assert "✓ detector: runs in this process" in said


@pytest.mark.parametrize(
    ("path", "server", "key", "said"),
    [
        ("/page", "{}", "prod_good", 'a web page titled "My printer" instead of a JPEG'),
        ("/ok", "{}", "prod_bad", "the server does not know this key"),
        ("/ok", "{}", "", "the server needs a key"),
        ("/ok", "http://127.0.0.1:1", "prod_good", "is not reachable"),
        ("/ok", "not a url", "prod_good", "URL must be complete"),
    ],
)
def test_check_says_in_plain_words_what_is_wrong(
    service: str, path: str, server: str, key: str, said: str
) -> None:
    code, text = check(service + path, "--server", server.format(service), "--key", key)
    assert said in text
    assert code == 1


def test_a_refused_key_ends_it_and_is_not_shown(service: str) -> None:
    result = run.invoke(app, ["watch", f"{service}/ok", "--server", service, "--key", "prod_secretive"])
    assert result.exit_code == 1
    assert "does not know this key" in result.stderr
    assert "prod_secretive" not in result.output + result.stderr


def look(number: int, score: int, *, pause: bool = False, condition: str = "ok") -> Look:
    quality = max(1, 10 - score // 10)
    detail = Detail("spaghetti" if pause else None, {}, (), condition, "m", {})
    inspection = Inspection(NextInterval(20, 20, 20), quality, pause, pause, score, detail=detail)
    return Look(number, number * 30.0, b"", inspection)


def drawn(*looks: Look) -> str:
    console = Console(force_terminal=True, width=90, height=40, file=io.StringIO(), color_system=None)
    with LiveScreen(" a camera ", console) as screen:
        for one in looks:
            screen.show(one)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().split("╭")[-1]


def test_the_live_screen_shows_the_last_looks_and_when_it_first_warned() -> None:
    text = drawn(*(look(n, 5) for n in range(1, 20)), look(20, 95, pause=True), look(21, 97, pause=True))
    assert "PAUSE spaghetti" in text
    assert "first pause suggestion at 0:10:00" in text
    assert "0:04:30" not in text, "old rows leave the table"
    assert "▁" in text and "█" in text


def test_a_picture_that_cannot_be_judged_is_never_called_fine() -> None:
    assert "not seen: the camera's picture is dark" in drawn(look(1, 5, condition="dark"))


def test_trouble_has_its_own_row() -> None:
    assert "no answer (plug it in)" in drawn(
        Look(1, 0.0, None, trouble=Trouble("camera", "no answer", "plug it in"))
    )


def test_a_narrow_sparkline_keeps_the_peaks() -> None:
    scores: list[int | None] = [5] * 500
    scores[250] = 100
    line = sparkline(scores, 40)
    assert len(line.plain) <= 40
    assert "█" in line.plain


def test_gaps_stay_gaps_in_the_sparkline() -> None:
    assert sparkline([0, None, 100], 40).plain == "▁·█"


def test_time_reads_as_hours_minutes_seconds() -> None:
    assert clock(3725.9) == "1:02:05"


OCTOPRINT_JOB = {
    "state": "Printing",
    "job": {"file": {"name": "a.gcode", "path": "a.gcode", "display": "a.gcode"}},
    "progress": {"completion": 10.0, "printTime": 60},
}


@pytest.fixture
def octoprint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A printer host with its webcam, and the least of OctoPrint's API."""

    class Host(Service):
        def do_GET(self) -> None:
            if self.headers["X-Api-Key"] not in ("KEY", None):
                self._json(403, {"error": "no"})
            elif self.path == "/api/job":
                self._json(200, OCTOPRINT_JOB)
            else:
                super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_check_of_a_file_tries_server_printer_camera_and_policy(octoprint: str, tmp_path: Path) -> None:
    config = tmp_path / "watch.toml"
    config.write_text(
        f"""
server = "{octoprint}"
key = "prod_good"
[[printer]]
name = "good"
kind = "octoprint"
url = "{octoprint}"
key = "KEY"
camera = {{ url = "{octoprint}/snap" }}
[[printer]]
name = "bad"
kind = "octoprint"
url = "{octoprint}"
key = "WRONG"
camera = {{ url = "{octoprint}/page" }}
"""
    )
    result = run.invoke(app, ["watch", "--config", str(config), "--check"])
    assert result.exit_code == 1
    assert "answers and accepts this key" in result.stdout
    assert "✓ good, printer: answers: printing, a.gcode" in result.stdout
    assert "✓ good, camera: gives a JPEG" in result.stdout
    assert "✗ bad, printer: OctoPrint at" in result.stdout and "refuses the login" in result.stdout
    assert "✗ bad, camera:" in result.stdout and "a web page" in result.stdout
    assert "prod_good" not in result.output and "WRONG" not in result.output


def test_check_of_flags_tries_the_printer(octoprint: str) -> None:
    address = octoprint.replace("http://", "octoprint://KEY@")
    result = run.invoke(app, ["watch", "--printer", address, f"{octoprint}/snap", "--check", "--json"])
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0, result.output
    assert [finding["ok"] for finding in findings] == ["yes", "yes", "yes"]


@pytest.mark.parametrize("more", [[], ["--notify", "json://127.0.0.1:9/"]])
def test_a_camera_with_its_own_certificate_is_checked_by_it(tmp_path: Path, more: list[str]) -> None:
    made = trustme.CA().issue_cert("camera.invalid")
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "camera.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.configure_cert(context)
    jpeg = picture(1)

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(jpeg)))
            self.end_headers()
            self.wfile.write(jpeg)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        command = ["watch", f"https://127.0.0.1:{server.server_port}/snap.jpg", "--check", "--json", *more]
        for trusted, options in (
            ("no", []),
            ("yes", ["--certificate", str(tmp_path / "camera.pem")]),
            ("yes", ["--no-verify"]),
        ):
            result = run.invoke(app, [*command, *options])
            findings = [json.loads(line) for line in result.stdout.splitlines()]
            (camera,) = [one for one in findings if "JPEG" in str(one) or "trusted" in str(one)]
            assert camera["ok"] == trusted, options
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config", "/no/such.toml"], "/no/such.toml cannot be read"),
        (["--printer", "http://octopi"], "octoprint://KEY@HOST"),
        (["--printer", "moonraker://x", "/tmp"], "a printer's camera cannot be a recording"),
        (["--printer", "duet://x"], "a duet printer has no camera of its own"),
        (["--printer", "octoprint://k@x", "--no-verify"], "need an https camera as SOURCE"),
        ([], "give a camera, a folder or a video"),
        (["http://x/", "--empty-bed", "x"], "need a printer: --printer, or --config"),
        (["--printer", "duet://x", "http://x/", "--before-print", "require clear bed"], "needs a server"),
        (["--printer", "duet://x", "http://x/", "--empty-bed", "x"], "--empty-bed needs a server"),
        (["--printer", "duet://x", "http://x/", "--empty-bed", "y"], "no printer has this name"),
        (["http://x/", "--dry-run"], "go with --config, --printer or --notify"),
    ],
)
def test_a_wrong_call_is_reported_in_plain_words(arguments: list[str], said: str) -> None:
    result = run.invoke(app, ["watch", *arguments])
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output


def test_a_watched_printer_is_shown_until_a_signal(octoprint: str) -> None:
    command = [sys.executable, "-m", "layerwatch", "watch", f"{octoprint}/snap", "--json"]
    command += ["--printer", octoprint.replace("http://", "octoprint://KEY@") + "?name=ender"]
    command += ["--server", octoprint, "--key", "prod_good"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stderr is not None
        seen = json.loads(process.stdout.readline())
        assert (seen["printer"], seen["quality"]) == ("ender", 8)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()


def test_ctrl_c_ends_it_without_a_word_of_python(service: str) -> None:
    command = [sys.executable, "-m", "layerwatch", "watch", f"{service}/snap"]
    command += ["--server", service, "--key", "prod_good"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a test run in the background of a shell ignores SIGINT, and its children would inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        assert "great" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == ""
    finally:
        process.kill()


def test_a_watcher_of_a_server_loads_no_detector() -> None:
    program = (
        "import sys; import layerwatch.cli.watch, layerwatch.cli.watch_printers; "
        "print(sorted({'numpy', 'onnxruntime', 'PIL', 'sqlalchemy', 'starlette'} & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
