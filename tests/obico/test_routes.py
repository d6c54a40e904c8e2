"""Tools that speak Obico's ML API get their detections, and nobody gets into our network by them."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from layerwatch.config import ConfigError, Settings, load
from layerwatch.obico import fetch, routes
from layerwatch.telemetry import logging
from tests.support.fake_detector import FakeDetector, picture
from tests.support.servers import Server, running

FAILING = picture(0.9, width=400, height=200)
HEALTHY = picture(0.02)


class Camera(BaseHTTPRequestHandler):
    """A camera, and other kinds of servers that a URL may point to."""

    requests: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        path, _, query = self.path.partition("?")
        name = path.strip("/")
        if name == "redirect":
            self.answer(302, "", b"", Location=query)
        elif name == "loop":
            self.answer(302, "", b"", Location="/loop")
        elif name == "page":
            self.answer(200, "text/html", b"<html>log in</html>")
        elif name == "stream":
            self.answer(200, "multipart/x-mixed-replace; boundary=x", b"--x")
        elif name == "broken":
            self.answer(200, "image/jpeg", FAILING[: len(FAILING) // 2])
        elif name == "untyped":
            self.answer(200, "", FAILING)
        elif name == "gone":
            self.answer(404, "image/jpeg", b"")
        elif name == "announced":
            self.answer(200, "image/jpeg", b"", **{"Content-Length": str(fetch.MAX_PICTURE_BYTES + 1)})
        elif name == "endless":
            self.endless()
        elif name == "slow":
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            time.sleep(1.5)
        else:
            self.answer(200, "image/jpeg", HEALTHY if name == "healthy" else FAILING)

    def answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        if kind:
            headers = {"Content-Type": kind, **headers}
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"\xff" * 65536)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def camera() -> Iterator[Any]:
    handler = type("Handler", (Camera,), {"requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    server.requests = handler.requests  # type: ignore[attr-defined]
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(camera: Any, path: str, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{camera.server_port}/{path}"


@pytest.fixture
def open_settings(server_settings: Settings) -> Settings:
    return server_settings.model_copy(update={"obico_api": True, "obico_hosts": "127.0.0.1"})


@pytest.fixture
def drop_in(open_settings: Settings) -> Iterator[Server]:
    with running(open_settings) as server:
        yield server


def outcomes(server: Server) -> dict[str, float]:
    lines = server.http.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("layerwatch_obico_pictures_total{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in found}


def test_it_is_off_unless_asked_for(server: Server) -> None:
    assert server.http.get("/p/", params={"img": "http://example.org"}).status_code == 404
    assert server.http.get("/hc/").status_code == 404


def test_a_failing_picture_has_detections_in_its_own_pixels(drop_in: Server, camera: Any) -> None:
    answer = drop_in.http.get("/p/", params={"img": url(camera, "shot.jpg")})
    assert answer.status_code == 200
    body = answer.json()
    ((label, confidence, box),) = body["detections"]
    assert label == "failure"
    assert confidence == pytest.approx(0.9, abs=0.03)
    assert box == [200.0, 100.0, 400.0, 200.0], "the double's map says the same everywhere"
    assert (body["condition"], body["kind"]) == ("ok", "spaghetti")
    assert outcomes(drop_in) == {"failure": 1}


def test_a_healthy_picture_has_none(drop_in: Server, camera: Any) -> None:
    body = drop_in.http.get(f"/p/?img={url(camera, 'healthy')}").json()
    assert (body["detections"], body["condition"]) == ([], "ok")
    assert outcomes(drop_in) == {"clear": 1}


def test_a_picture_turned_by_its_camera_is_measured_upright(
    drop_in: Server, camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.open(io.BytesIO(FAILING)).save(out, "JPEG", exif=exif)
    monkeypatch.setitem(Camera.answer.__globals__, "FAILING", out.getvalue())
    ((_, _, box),) = drop_in.http.get("/p/", params={"img": url(camera, "x")}).json()["detections"]
    assert box == [100.0, 200.0, 200.0, 400.0]


def test_a_dark_picture_is_not_called_fine(drop_in: Server, camera: Any, monkeypatch: Any) -> None:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), (2, 0, 0)).save(out, "JPEG")
    monkeypatch.setitem(Camera.answer.__globals__, "FAILING", out.getvalue())
    body = drop_in.http.get("/p/", params={"img": url(camera, "x")}).json()
    assert (body["detections"], body["condition"], body["failure_probability"]) == ([], "dark", None)
    assert outcomes(drop_in) == {"unfit": 1}


def test_it_says_that_it_runs(drop_in: Server) -> None:
    answer = drop_in.http.get("/hc/")
    assert (answer.status_code, answer.text) == (200, "ok")


@pytest.mark.parametrize(
    ("sent", "location"),
    [
        ("/hc", "/hc/"),
        ("/hc?x=1", "/hc/?x=1"),
        ("/p?img=http%3A%2F%2Fcam%2F%3Fa%3D1%26b&x=%20", "/p/?img=http%3A%2F%2Fcam%2F%3Fa%3D1%26b&x=%20"),
        ("/p?img=http://cam/?a=1&b=2", "/p/?img=http://cam/?a=1&b=2"),
    ],
)
def test_without_the_slash_the_tool_is_redirected_with_its_query(
    drop_in: Server, sent: str, location: str
) -> None:
    answer = drop_in.http.get(sent)
    assert (answer.status_code, answer.headers["Location"]) == (308, location)


def test_a_redirected_call_gets_its_detections(drop_in: Server, camera: Any) -> None:
    answer = drop_in.http.get("/p", params={"img": url(camera, "shot.jpg")}, follow_redirects=True)
    assert len(answer.json()["detections"]) == 1


@pytest.mark.parametrize(
    ("query", "fetched"),
    [
        ("img={base}/shot?action=snapshot&user=a&pw=b", "/shot?action=snapshot&user=a&pw=b"),
        ("img={base}/shot?name=a%26b&x=%20", "/shot?name=a%26b&x=%20"),
        ("t=1&img={base}/shot?a=1&img=2", "/shot?a=1&img=2"),
        ("img={base}/shot%3Fa=1%26b=2", "/shot?a=1&b=2"),
        ("img={encoded}%2Fshot%3Fa%3D1%26b%3D2&other=x", "/shot?a=1&b=2"),
    ],
)
def test_an_address_is_fetched_as_the_tool_meant_it(
    drop_in: Server, camera: Any, query: str, fetched: str
) -> None:
    base = f"http://127.0.0.1:{camera.server_port}"
    sent = query.format(base=base, encoded=quote(base, safe=""))
    answer = drop_in.http.get(f"/p/?{sent}")
    assert answer.status_code == 200, answer.text
    assert [path for path, _ in camera.requests] == [fetched]


def test_bytes_that_are_no_text_are_refused_not_crashed_on(drop_in: Server) -> None:
    with socket.create_connection(("127.0.0.1", drop_in.port)) as connection:
        connection.sendall(b"GET /p/?img=\xff\xfe%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 400 " in connection.recv(200)


def test_the_picture_is_given_with_its_boxes_drawn(drop_in: Server, camera: Any) -> None:
    answer = drop_in.http.get("/debug/image", params={"img": url(camera, "shot.jpg")})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["Cache-Control"] == "no-store"
    drawn = Image.open(io.BytesIO(answer.content))
    assert drawn.size == (400, 200)
    corner = drawn.convert("L").crop((0, 60, 2, 140))
    assert corner.getextrema()[0] > 180, "the white edge of the box, which is the whole picture"
    assert outcomes(drop_in) == {"failure": 1}


@pytest.mark.parametrize("img", ["", "ftp://example.org/a.jpg", "page"])
def test_what_cannot_be_drawn_is_refused_as_it_is_by_p(drop_in: Server, camera: Any, img: str) -> None:
    if img == "page":
        img = url(camera, img)
    drawn, plain = (drop_in.http.get(path, params={"img": img}) for path in ("/debug/image", "/p/"))
    assert drawn.status_code == plain.status_code
    assert drawn.json().keys() == plain.json().keys()


def test_a_failed_fetch_is_logged_without_the_secrets_of_its_address(
    drop_in: Server, camera: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.configure("warning", "json")
    address = url(camera, "gone?token=geheim", host="user:passwort@127.0.0.1")
    assert drop_in.http.get("/p/", params={"img": address}).status_code == 400
    written = capfd.readouterr()
    (line,) = [row for row in (written.out + written.err).splitlines() if "obico_picture_failed" in row]
    entry = json.loads(line)
    assert (entry["outcome"], entry["host"]) == ("not_a_picture", f"127.0.0.1:{camera.server_port}")
    assert "status 404" in entry["why"]
    assert "geheim" not in line and "passwort" not in line


def test_a_token_is_asked_for_if_there_is_one(open_settings: Settings, camera: Any) -> None:
    from pydantic import SecretStr

    settings = open_settings.model_copy(update={"obico_token": SecretStr("geheim-ü")})
    with running(settings) as server:
        for header in (None, "geheim-ü", "Basic geheim-ü", "Bearer", "Bearer x", "Bearer geheim-ü2"):
            headers = {} if header is None else {"Authorization": header.encode()}
            answer = server.http.get("/p/", params={"img": url(camera, "x")}, headers=headers)
            assert answer.status_code == 401, header
            assert answer.content == b"", "an empty list of detections would pass for no failure"
            assert answer.headers["Content-Type"].startswith("text/html")
            drawn = server.http.get("/debug/image", params={"img": url(camera, "x")}, headers=headers)
            assert (drawn.status_code, drawn.content) == (401, b"")
        assert camera.requests == [], "nothing is fetched for strangers"
        good = {"Authorization": "Bearer geheim-ü".encode()}
        assert server.http.get("/p/", params={"img": url(camera, "x")}, headers=good).status_code == 200
        assert server.http.get("/hc/").status_code == 200


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("page", "does not return a picture"),
        ("stream", "snapshot address"),
        ("gone", "status 404"),
        ("broken", "cut off"),
        ("announced", "more than 6,291,456 bytes"),
        ("endless", "more than 6,291,456 bytes"),
        ("loop", "redirects"),
    ],
)
def test_what_is_no_picture_is_told(drop_in: Server, camera: Any, path: str, said: str) -> None:
    answer = drop_in.http.get("/p/", params={"img": url(camera, path)})
    assert answer.status_code == 400
    assert said in answer.json()["message"] and answer.json()["detections"] == []
    assert outcomes(drop_in) == {"not_a_picture": 1}


def test_a_picture_without_a_type_is_looked_at(drop_in: Server, camera: Any) -> None:
    assert drop_in.http.get("/p/", params={"img": url(camera, "untyped")}).json()["detections"]


def test_a_redirect_within_what_may_be_reached_is_followed(drop_in: Server, camera: Any) -> None:
    target = url(camera, "redirect?" + url(camera, "shot.jpg"))
    assert drop_in.http.get("/p/", params={"img": target}).json()["detections"]


def test_a_login_in_the_address_goes_to_its_host_alone(drop_in: Server, camera: Any) -> None:
    address = url(camera, f"redirect?{url(camera, 'shot.jpg')}", host="us%40er:p%3Aw@127.0.0.1")
    assert drop_in.http.get("/p/", params={"img": address}).status_code == 200
    logins = [headers.get("authorization") for _, headers in camera.requests]
    assert logins == ["Basic dXNAZXI6cDp3"] * 2
    camera.requests.clear()
    elsewhere = url(camera, "shot.jpg", host="127.0.0.2")
    drop_in.http.get("/p/", params={"img": url(camera, f"redirect?{elsewhere}", host="a:b@127.0.0.1")})
    assert [headers.get("authorization") for _, headers in camera.requests] == ["Basic YTpi"]


@pytest.mark.parametrize(
    "address",
    ["", "shot.jpg", "file:///etc/passwd", "ftp://example.org/a.jpg", "http://", "http://[::1", "gopher://x"],
)
def test_what_is_no_web_address_is_refused(drop_in: Server, address: str) -> None:
    answer = drop_in.http.get("/p/", params={"img": address})
    assert answer.status_code == (400 if address else 422)
    assert outcomes(drop_in) == {"bad_address": 1}
    assert "passwd" not in answer.text


def test_without_a_picture_it_says_what_it_wants(drop_in: Server) -> None:
    assert drop_in.http.get("/p/").status_code == 422


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"],
)
def test_by_default_nothing_private_is_reached(server_settings: Settings, camera: Any, host: str) -> None:
    with running(server_settings.model_copy(update={"obico_api": True})) as server:
        answer = server.http.get("/p/", params={"img": url(camera, "shot.jpg", host=host)})
        assert answer.status_code == 400
        assert "private network" in answer.json()["message"] or "does not answer" in answer.json()["message"]
    assert camera.requests == []


def test_a_redirect_into_the_private_network_is_not_followed(
    open_settings: Settings, camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a host that may be reached (127.0.0.1 here) to one that may not (127.0.0.2)."""
    target = url(camera, "redirect?" + url(camera, "secret", host="127.0.0.2"))
    with running(open_settings) as server:
        answer = server.http.get("/p/", params={"img": target})
        assert answer.status_code == 400 and "private network" in answer.json()["message"]
        assert outcomes(server) == {"not_allowed": 1}
    assert [path.partition("?")[0] for path, _ in camera.requests] == ["/redirect"]


def test_a_name_that_leads_inside_is_refused(
    server_settings: Settings, camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def resolve(host: Any, *given: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == "innocent.example.org" else host, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with running(server_settings.model_copy(update={"obico_api": True})) as server:
        address = url(camera, "shot.jpg", host="innocent.example.org")
        assert server.http.get("/p/", params={"img": address}).status_code == 400
    assert camera.requests == []


def test_a_camera_that_sends_nothing_is_given_up(
    drop_in: Server, camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "FETCH_TIMEOUT_S", 0.3)
    answer = drop_in.http.get("/p/", params={"img": url(camera, "slow")})
    assert answer.status_code == 400 and "did not come within" in answer.json()["message"]
    assert drop_in.services.admission.bytes_held == 0


def test_a_host_that_does_not_answer_is_told(drop_in: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/a.jpg"
        answer = drop_in.http.get("/p/", params={"img": address})
    assert answer.status_code == 400 and "does not answer" in answer.json()["message"]
    assert outcomes(drop_in) == {"unreachable": 1}


def test_too_many_fetches_at_once_are_refused(
    drop_in: Server, camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MAX_CONCURRENT_FETCHES", 0)
    answer = drop_in.http.get("/p/", params={"img": url(camera, "x")})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "10"
    assert outcomes(drop_in) == {"busy": 1}


def test_overload_is_refused_before_anything_is_fetched(open_settings: Settings, camera: Any) -> None:
    detector = FakeDetector()
    with running(open_settings.model_copy(update={"queue_length": 1}), detector=detector) as server:
        detector.gate.clear()
        first = threading.Thread(
            target=lambda: httpx.get(f"{server.url}/p/", params={"img": url(camera, "x")}, timeout=30)
        )
        first.start()
        deadline = time.monotonic() + 10
        while server.services.admission.under_way == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        fetched = len(camera.requests)
        assert server.http.get("/p/", params={"img": url(camera, "x")}).status_code == 503
        assert len(camera.requests) == fetched
        detector.gate.set()
        first.join()


def test_nothing_is_billed(drop_in: Server, camera: Any) -> None:
    _, account = drop_in.new_key_of()
    drop_in.http.get("/p/", params={"img": url(camera, "x")})
    assert drop_in.billed(account) == 0


def test_a_wrong_list_of_hosts_is_told_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"obico_hosts.*'http://octopi.local' is neither a network"):
        load(obico_hosts="http://octopi.local")
