"""A print with a course, written through the wire; kept pictures where the account keeps them."""

from __future__ import annotations

import httpx

from layerwatch.identity.models import Account
from tests.support.prints import frame
from tests.support.servers import Server

HEALTHY, FAILING = [0.03] * 4, [0.95] * 8


class WatchedPrint:
    """One print of an account, a picture a minute."""

    def __init__(self, server: Server, account: int, **labels: str) -> None:
        self.server = server
        self.key, _ = server.new_key_of(account)
        self.id = str(server.create_context(self.key, labels).json()["ContextId"])
        self.pictures = 0

    def see(self, *failures: float, **fields: str) -> WatchedPrint:
        """Pictures in which the detector sees these failure probabilities; returns itself."""
        for failure in failures:
            self.server.clock.advance(60)
            answer = self._post(frame(failure, self.pictures), fields)
            assert answer.status_code == 200, answer.text
            self.pictures += 1
        return self

    def written(self) -> WatchedPrint:
        """Wait until what was seen is in the tables."""
        self.server.services.print_recorder.start_flush().result(20)
        return self

    def _post(self, jpeg: bytes, fields: dict[str, str]) -> httpx.Response:
        return self.server.http.post(
            f"/api/gadget/v1/process/{self.id}",
            files={"file": ("a.jpg", jpeg, "image/jpeg")},
            data=fields,
            headers={"X-API-Key": self.key},
        )


def keep_pictures(server: Server, account: int) -> None:
    """Let the account keep pictures from now on."""
    with server.services.database.write() as session:
        session.get_one(Account, account).keep_pictures = True
    server.services.print_recorder.refresh()
    server.services.print_recorder.start_flush().result(20)
