"""Actions that people ask for in the server's console: asked for, carried out, reported as they ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Awaitable, Callable, Deque, Dict, List, Optional, Set

import httpx

from layerwatch_sdk.clock import AsyncClock
from layerwatch_watcher.printers.base import Printer, PrinterStatus
from layerwatch_watcher.watching import actions
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.actions import ActionFailed
from layerwatch_watcher.watching.print_watcher import PrintWatcher

log = logging.getLogger("layerwatch_watcher")

PATH = "/api/watcher/v1/actions"
WAIT_S = 25.0
"""For how long the server is asked to wait for an action."""
LOOK_S = 1.0
"""How often it is seen whether what can be done to a print has changed."""
FIRST_RETRY_S, MAX_RETRY_S = 5.0, 300.0
MAX_ANSWER_BYTES = 64 * 1024
REMEMBERED = 200

_DO: Dict[str, Callable[[Printer, actions.Read, AsyncClock], Awaitable[PrinterStatus]]] = {
    "pause": actions.pause,
    "resume": actions.resume,
    "cancel": actions.cancel,
}


class NotOffered(Exception):
    """The server has no such thing."""


class RemoteControl:
    """Carries out what is asked for in the console of `server`, on the prints of these watchers."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        server: str,
        key: str,
        watchers: Sequence[PrintWatcher],
        clock: AsyncClock,
        journal: ActionLog,
    ) -> None:
        self._client = client
        self._url = server.rstrip("/") + PATH
        self._key = key
        self._watchers = watchers
        self._clock = clock
        self._journal = journal
        self._sent: Optional[Dict[str, List[str]]] = None
        self._known: Deque[str] = deque(maxlen=REMEMBERED)
        self._tasks: Set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Ask until cancelled, or until the server turns out not to offer it."""
        both = [asyncio.ensure_future(self._wait_for_actions()), asyncio.ensure_future(self._say_changes())]
        try:
            ended, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                with contextlib.suppress(NotOffered):
                    task.result()
        finally:
            for task in (*both, *self._tasks):
                task.cancel()
            await asyncio.gather(*both, *self._tasks, return_exceptions=True)

    def _prints(self) -> Dict[str, List[str]]:
        """What can be done to each print, by context id."""
        return {name: list(watcher.can) for watcher in self._watchers for name in watcher.context_ids}

    async def _wait_for_actions(self) -> None:
        failures = 0
        while True:
            prints = self._prints()
            if not prints:
                await self._clock.sleep(LOOK_S)
                continue
            self._sent = prints
            try:
                await self._exchange(prints, wait_s=WAIT_S)
                failures = 0
            except (httpx.HTTPError, ValueError) as error:
                if failures == 0:
                    log.info("the server cannot be asked for actions: %s", error)
                await self._clock.sleep(min(FIRST_RETRY_S * 2**failures, MAX_RETRY_S))
                failures = min(failures + 1, 10)

    async def _say_changes(self) -> None:
        """Let the console know at once that a print can be resumed now, or no longer be paused."""
        while True:
            await self._clock.sleep(LOOK_S)
            prints = self._prints()
            if self._sent is None or prints == self._sent or not prints:
                continue
            with contextlib.suppress(httpx.HTTPError, ValueError):
                await self._exchange(prints)
                self._sent = prints

    async def _exchange(
        self, prints: Dict[str, List[str]], results: Sequence[Dict[str, Any]] = (), *, wait_s: float = 0.0
    ) -> None:
        """One request; what it asks for is begun. Raises httpx.HTTPError, ValueError and NotOffered."""
        body = {
            "Prints": [{"ContextId": name, "Can": can} for name, can in prints.items()],
            "Results": list(results),
            "WaitSec": wait_s,
        }
        timeout = httpx.Timeout(10.0, read=wait_s + 15.0)
        request = self._client.stream(
            "POST", self._url, json=body, headers={"X-API-Key": self._key}, timeout=timeout
        )
        async with request as answer:
            if answer.status_code in (404, 405):
                raise NotOffered
            if answer.status_code != 200:
                raise ValueError(f"HTTP {answer.status_code}")
            data = b""
            async for chunk in answer.aiter_bytes():
                data += chunk
                if len(data) > MAX_ANSWER_BYTES:
                    raise ValueError("the answer is too large")
        for order in _orders(data):
            if order["ActionId"] not in self._known:
                self._known.append(order["ActionId"])
                task = asyncio.ensure_future(self._carry_out(order))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, order: Dict[str, str]) -> None:
        kind, reason = order["Kind"], ""
        watcher = next((one for one in self._watchers if order["ContextId"] in one.context_ids), None)
        if watcher is None:
            reason = "this print is over"
        elif kind not in _DO:
            reason = "this watcher does not know this action; update it"
        elif kind not in watcher.can:
            reason = "the printer is not in a state for it"
        else:
            name, who = watcher.name, f"{order['AskedBy'] or 'somebody'} in the console"
            try:
                await _DO[kind](watcher.watched.printer, watcher.read, self._clock)
            except ActionFailed as error:
                reason = f"{error}. {error.hint}" if error.hint else str(error)
                self._journal.write(name, kind, who=who, why="asked in the console", failed=str(error))
            else:
                self._journal.write(name, kind, who=who, why="asked in the console")
        await self._report({"ActionId": order["ActionId"], "Done": not reason, "Reason": reason[:400]})

    async def _report(self, result: Dict[str, Any]) -> None:
        for attempt in range(5):
            try:
                await self._exchange(self._prints(), [result])
                return
            except NotOffered:
                return
            except (httpx.HTTPError, ValueError):
                await self._clock.sleep(FIRST_RETRY_S * (attempt + 1))


def _orders(data: bytes) -> List[Dict[str, str]]:
    """The actions of an answer. Raises ValueError for anything else."""
    values = json.loads(data)
    found = values.get("Actions") if isinstance(values, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError("not an answer with actions")
    names = ("ActionId", "ContextId", "Kind", "AskedBy")
    return [{name: str(one.get(name, ""))[:400] for name in names} for one in found]
