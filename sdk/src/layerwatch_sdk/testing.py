"""For tests of what you build on this package: a stand-in for the service, and clocks that need no waiting.

The double inspects no pictures; it keeps the contract's books: who was billed for what, and when. It is
one object behind two faces: `transport()` for httpx.MockTransport, `serve()` for a real local server. Its
clock is the test's, so that "too soon" means the same on both sides.

::

    clock = ManualClock()
    service = FakeService(clock.monotonic)
    client = Client(KEY, "http://primary.test", clock=clock, transport=service.transport())
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import httpx

KEY = "prod_0123456789abcdefSECRET"
PROCESS = re.compile(r"/api/gadget/v1/process/([A-Za-z0-9]+)")
FEEDBACK = re.compile(r"/api/gadget/v1/feedback/([A-Za-z0-9]+)")
USAGE = "/api/gadget/v1/usage"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
JPEG = b"\xff\xd8\xff\xe0" + bytes(200) + b"\xff\xd9"


class ManualClock:
    """A clock that advances only when someone sleeps; sleeping returns at once."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self.slept: List[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        if wake is not None and wake.is_set():
            return
        self.slept.append(seconds)
        self.now += seconds


class AsyncManualClock(ManualClock):
    """`ManualClock` for asyncio: a sleep gives other tasks one turn, and moves the clock."""

    async def sleep(self, seconds: float) -> None:  # type: ignore[override]
        import asyncio

        await asyncio.sleep(0)
        self.slept.append(seconds)
        self.now += seconds


Answer = Tuple[int, Dict[str, str], bytes]


def picture(number: int) -> bytes:
    """A JPEG-like picture that differs from every other."""
    return b"\xff\xd8\xff\xe0" + number.to_bytes(8, "big") + b"\xff\xd9"


def refusal(status: int, error_type: str, details: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"ErrorType": error_type, "ErrorDetails": details}).encode()
    return status, {"content-type": "application/json", **named}, body


@dataclass
class FakeService:
    """The service's side of the contract, without eyes.

    now: the clock in seconds.  interval: NextProcessIntervalSec, an int or the newer dialect's object.
    extra: fields that every verdict gets, such as {"PauseSuggested": True}.
    condition: what every verdict says of its picture, in X-Picture-Condition.

    What happened is recorded in `billed` (context, idempotency key), `judged` (pictures), `early` (calls that
    came too soon, and by how many seconds), `feedback` (context, kind), `feedback_fields` (all that was sent)
    and `calls`.
    """

    now: Callable[[], float]
    interval: object = 20
    extra: Dict[str, object] = field(default_factory=dict)
    condition: str = "ok"
    base: str = "http://primary.test"
    fallback: str = "http://fallback.test"
    contexts: Dict[str, float] = field(default_factory=dict)
    billed: List[Tuple[str, str]] = field(default_factory=list)
    stored: Dict[Tuple[str, str], bytes] = field(default_factory=dict)
    judged: List[bytes] = field(default_factory=list)
    early: List[float] = field(default_factory=list)
    feedback: List[Tuple[str, str]] = field(default_factory=list)
    feedback_fields: List[Dict[str, Any]] = field(default_factory=list)
    calls: List[httpx.Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        with self.lock:
            status, more, content = self._answer(method, path, headers, body)
        return status, {"content-type": "application/json", "x-request-id": "req-1", **more}, content

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        path, _, query = path.partition("?")
        if method != ("GET" if path == USAGE else "POST"):
            return refusal(405, "OE_BAD_ARGS", "Another method.")
        if headers.get("x-api-key") != KEY:
            return refusal(401, "OE_INVALID_API_KEY", "The API key is unknown.")
        if path == USAGE:
            return self._usage()
        if path == "/api/gadget/v1/createcontext":
            context_id = f"ctx{len(self.contexts)}"
            self.contexts[context_id] = 0.0
            urls = [f"{base}/api/gadget/v1/process/{context_id}" for base in (self.base, self.fallback)]
            return self._ok(
                ContextId=context_id, ProcessRequestUrl=urls[0], FallbackProcessRequestUrl=urls[1]
            )
        match = FEEDBACK.fullmatch(path)
        if match:
            fields = json.loads(body)
            self.feedback.append((match.group(1), fields["Kind"]))
            self.feedback_fields.append(fields)
            return self._ok()
        match = PROCESS.fullmatch(path)
        if match is None:
            return refusal(404, "OE_BAD_ARGS", "No such path.")
        return self._process(match.group(1), query, headers, body)

    def _usage(self) -> Answer:
        """The billed calls of an account that is free up to 5,000 calls a month."""
        calls = len(self.billed)
        return self._ok(
            Month="2026-11",
            Calls=calls,
            FreeCalls=5000,
            FreeCallsLeft=5000 - calls,
            FreeOnly=False,
            Tier={"Number": 1, "UpTo": 5000, "MicroDollarsPerCall": 0},
            SpendMicroDollars=0,
            SpendDollars=0.0,
            ProjectedCalls=calls,
            ProjectedMicroDollars=0,
            ProjectedDollars=0.0,
            TestCallsToday=0,
            TestCallsLeftToday=500,
            ResetsAt="2026-12-01T00:00:00Z",
        )

    def _process(self, context_id: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if context_id not in self.contexts:
            return refusal(500, "OE_INTERNAL_ERROR", "Failed to get context object.")
        key = headers.get("idempotency-key", "")
        if key and not UUID.fullmatch(key):
            return refusal(400, "OE_BAD_ARGS", "Idempotency-Key must be a UUID.")
        if (context_id, key) in self.stored:
            return 200, self._condition(), self.stored[context_id, key]
        start = body.find(b"\xff\xd8\xff")
        if start < 0 or body.count(b'; filename="') != 1:
            return refusal(400, "OE_BAD_ARGS", "Exactly one file.")
        now = self.now()
        if now < self.contexts[context_id]:
            self.early.append(self.contexts[context_id] - now)
            return refusal(429, "OE_CONTEXT_RATE_LIMITED", "Too soon.", retry_after="20")
        least = self.interval["Minimum"] if isinstance(self.interval, dict) else self.interval
        assert isinstance(least, int)
        self.contexts[context_id] = now + least - 1e-6
        self.billed.append((context_id, key))
        self.judged.append(body[start : body.index(b"\xff\xd9", start) + 2])
        verdict: Dict[str, object] = {
            "NextProcessIntervalSec": self.interval,
            "PrintQuality": 8,
            "WarningSuggested": False,
            "PauseSuggested": False,
            "Score": 5,
            **self.extra,
        }
        if "detail=1" in query:
            verdict["Detail"] = {"Kind": "spaghetti", "Kinds": {"spaghetti": 0.25}, "Condition": "ok"}
        content = json.dumps(verdict).encode()
        if key:
            self.stored[context_id, key] = content
        return 200, self._condition(), content

    def _condition(self) -> Dict[str, str]:
        return {"x-picture-condition": self.condition}

    @staticmethod
    def _ok(**answer: object) -> Answer:
        return 200, {}, json.dumps(answer).encode()

    def handle(self, request: httpx.Request) -> httpx.Response:
        """For httpx.MockTransport."""
        self.calls.append(request)
        path = request.url.raw_path.decode()
        status, headers, body = self.answer(request.method, path, request.headers, request.read())
        return httpx.Response(status, headers=headers, content=body)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    @contextlib.contextmanager
    def serve(self, before: Optional[Callable[[BaseHTTPRequestHandler], bool]] = None) -> Iterator[str]:
        """A real server on localhost; yields its URL. `before` may answer itself and return True."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if before is not None and before(self):
                    return
                lower = {name.lower(): value for name, value in self.headers.items()}
                status, headers, content = service.answer(self.command, self.path, lower, body)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128  # the default of 5 makes simultaneous calls wait a second

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        self.base = self.fallback = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self.base
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
