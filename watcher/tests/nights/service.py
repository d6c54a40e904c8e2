"""A simulated detection service: it judges what a plant's picture says of itself, by the wire contract."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Optional

import httpx
from watcher.tests.nights.plant import Plant, now

WARN_S, PAUSE_S = 40.0, 80.0
"""A failure that has been seen for so long is warned of, and a pause suggested."""


@dataclass
class Print:
    """One context."""

    plant: Plant
    job: int
    learns: bool
    taught: bool = False
    failing_since: Optional[float] = None
    frame: int = -1
    same: int = 0
    due: float = 0.0


@dataclass
class Service:
    """Its books: `looks`, the moments of usable looks by printer; `opened`, contexts by printer and job."""

    plants: list[Plant]
    learning: set[int] = field(default_factory=set)
    prints: dict[str, Print] = field(default_factory=dict)
    opened: dict[tuple[int, int], int] = field(default_factory=dict)
    looks: dict[int, list[float]] = field(default_factory=dict)
    early: int = 0
    count: int = 0
    judged: int = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/createcontext"):
            return self._open(json.loads(request.content))
        found = self.prints.get(path.rsplit("/", 1)[1])
        if found is None:
            return _refusal(500, "OE_INTERNAL_ERROR", "Failed to get context object.")
        if "service down" in found.plant.faults:
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        if "service busy" in found.plant.faults:
            return _refusal(503, "OE_BACKEND_THROTTLED", "Busy.")
        if "/feedback/" in path:
            found.taught = found.taught or found.learns
            return httpx.Response(200, json={})
        return self._judge(found, request.content)

    def _open(self, body: Any) -> httpx.Response:
        plant = self.plants[int(body["Printer"].rsplit("-", 1)[1])]
        self.count += 1
        name = f"c{self.count}"
        self.prints[name] = Print(plant, plant.job, plant.job % 2 == 0)
        for old in [
            key for key, one in self.prints.items() if one.job < plant.job - 1 and one.plant is plant
        ]:
            del self.prints[old]
        where = (plant.number, plant.job)
        self.opened[where] = self.opened.get(where, 0) + 1
        url = f"http://service/api/gadget/v1/process/{name}"
        return httpx.Response(
            200, json={"ContextId": name, "ProcessRequestUrl": url, "FallbackProcessRequestUrl": url}
        )

    def _judge(self, found: Print, body: bytes) -> httpx.Response:
        if now() < found.due:
            self.early += 1
            return _refusal(429, "OE_CONTEXT_RATE_LIMITED", "Too early.")
        self.judged += 1
        start = body.index(b"\xff\xd8\xff\xfe") + 6
        seen = json.loads(body[start : body.index(b"\xff\xd9", start)])
        found.same = found.same + 1 if seen["frame"] == found.frame else 0
        found.frame = seen["frame"]
        condition = "frozen" if found.same >= 2 else seen["as"]
        if condition == "ok":
            if not found.same:
                self.looks.setdefault(found.plant.number, []).append(now())
            if not seen["failing"]:
                found.failing_since = None
            elif found.failing_since is None:
                found.failing_since = now()
        lasted = 0.0 if found.failing_since is None or found.taught else now() - found.failing_since
        suspicious = found.failing_since is not None and not found.taught
        interval = 20 if suspicious else 40
        found.due = now() + interval - 1
        answer: dict[str, Any] = {
            "NextProcessIntervalSec": interval,
            "PrintQuality": 1 if lasted >= WARN_S else 9,
            "WarningSuggested": lasted >= WARN_S,
            "PauseSuggested": lasted >= PAUSE_S,
            "Score": 97 if lasted >= WARN_S else 3,
            "Detail": {"Condition": condition.replace("-", "_"), "Kind": None, "Kinds": {}},
        }
        return httpx.Response(200, json=answer, headers={"X-Picture-Condition": condition})


def _refusal(status: int, kind: str, details: str) -> httpx.Response:
    return httpx.Response(status, json={"ErrorType": kind, "ErrorDetails": details})


class InMemory(httpx.AsyncBaseTransport):
    """Every printer, camera and the service behind one transport: http://p-3, http://c-3, http://service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        host = request.url.host
        await asyncio.sleep(0)
        if host == "service":
            return await self._service.handle(request)
        plant = self._service.plants[int(host.rsplit("-", 1)[1])]
        return await (plant.picture() if host.startswith("c-") else plant.answer(request))
