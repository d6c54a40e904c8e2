"""A running server with an account whose prints were simulated, rendered and judged by the real detector."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from layerwatch.api.routes import BASE
from layerwatch.config import load
from layerwatch.identity import create_account, passwords
from layerwatch.identity.models import User
from layerwatch.identity.roles import Role, set_role
from layerwatch.simulator import Simulation
from layerwatch.vision import Vision
from tests.support.browser import PASSWORD
from tests.support.clocks import ManualClock
from tests.support.courses import keep_pictures
from tests.support.servers import Server, running

STEP_S = 60.0
SIZE = (640, 360)
EMAIL = "ann@example.org"


@dataclass(frozen=True)
class SimulatedPrint:
    """What is printed where. healthy: pictures before it begins to fail."""

    name: str
    printer: str
    file: str
    seed: int
    failure: str | None
    world: str = "bedslinger"
    healthy: int = 22
    pictures: int = 40
    dark: range = range(0)
    """Pictures taken while the light is off."""


PRINTS = (
    SimulatedPrint("Gearbox housing", "Voron 2.4", "gearbox_v3.gcode", 7, "spaghetti"),
    SimulatedPrint("Lamp shade", "Prusa MK4", "lamp_shade.bgcode", 12, None),
    SimulatedPrint("Bracket", "Ender 3", "bracket (2).gcode", 21, None, dark=range(34, 40)),
)
ENDED = SimulatedPrint("Phone stand", "Prusa MK4", "stand.bgcode", 31, "detachment", pictures=36)


@dataclass
class SimulatedFarm:
    """The server, its account and the ids of its prints by name."""

    server: Server
    account: int
    key: str
    prints: dict[str, str]
    clock: ManualClock

    def play(self, prints: tuple[SimulatedPrint, ...]) -> None:
        """Print these side by side, a picture of each every `STEP_S`."""
        with ThreadPoolExecutor(2) as pool:
            frames = dict(zip(prints, pool.map(_pictures, prints), strict=True))
        for one in prints:
            labels = {"Name": one.name, "Printer": one.printer, "Camera": "top", "File": one.file}
            answer = self.server.create_context(self.key, labels)
            self.prints[one.name] = answer.json()["ContextId"]
        for number in range(max(one.pictures for one in prints)):
            self.clock.advance(STEP_S)
            for one in prints:
                if number < one.pictures:
                    self._send(self.prints[one.name], frames[one][number], number)

    def _send(self, context: str, jpeg: bytes, number: int) -> None:
        fields: dict[str, Any] = {
            "layer": str(80 + number),
            "layers": "240",
            "progress": f"{0.3 + number / 100:.2f}",
            "state": "Printing",
        }
        answer = self.server.http.post(
            f"{BASE}/process/{context}",
            headers={"X-API-Key": self.key},
            files={"file": ("a.jpg", jpeg)},
            data=fields,
        )
        assert answer.status_code == 200, answer.text


@contextlib.contextmanager
def simulated_farm(folder: Path, **settings: Any) -> Iterator[SimulatedFarm]:
    """A farm without prints yet. Its owner is EMAIL, who is an operator, too; the password is `PASSWORD`."""
    loaded = load(
        data_dir=folder, database=f"sqlite:///{folder / 'farm.sqlite3'}", log_level="error", **settings
    )
    clock = ManualClock(datetime.now(UTC) - timedelta(hours=3))
    with running(loaded, clock=clock, vision=Vision.load()) as server:
        now = clock.now()
        with server.services.database.write() as session:
            account = create_account(session, "Ann's workshop", now, billing_email=EMAIL).id
            user = User(
                email=EMAIL,
                verified_at=now,
                password=passwords.hash_password(PASSWORD),
                operator=True,
                totp_nonce=None,
                totp_since=None,
                totp_step=0,
                subject=None,
                created_at=now,
            )
            session.add(user)
            session.flush()
            set_role(session, account, user.id, Role.OWNER)
        keep_pictures(server, account)
        key, _ = server.new_key_of(account)
        yield SimulatedFarm(server, account, key, {}, clock)


def _pictures(one: SimulatedPrint) -> list[bytes]:
    simulation = Simulation(one.seed, one.failure, one.world, duration=7200, size=SIZE)
    begin = 1200.0 if simulation.onset is None else simulation.onset - STEP_S * one.healthy
    jpegs = []
    for number in range(one.pictures):
        frame = simulation.frame(begin + STEP_S * number)
        jpegs.append(replace(frame, rgb=frame.rgb // 24 if number in one.dark else frame.rgb).jpeg())
    return jpegs
