"""A farm's live prints, written into the database as their inspections would have left them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from layerwatch.contexts import Answer
from layerwatch.contexts.models import ContextRow
from layerwatch.pacing.pacer import Plan
from layerwatch.prints.models import PrintRow
from layerwatch.prints.progress import PrintProgress
from layerwatch.temporal import Levels
from tests.support.servers import Server


@dataclass(frozen=True)
class Farm:
    """Writes prints of one account; each is opened a second after the one before."""

    server: Server
    account: int

    def add(self, *qualities: int, seconds_ago: float = 1, **labels: str) -> list[str]:
        """Prints of these qualities, by the time they were opened; their ids."""
        services, now = self.server.services, self.server.clock.now()
        ids = []
        with services.database.write() as session:
            for number, quality in enumerate(qualities):
                opened_at = now - timedelta(hours=2) + timedelta(seconds=number)
                context = services.ids.new(self.account, Levels(), opened_at, "home")
                ids.append(context.id)
                session.add(
                    ContextRow(
                        id=context.id,
                        account_id=self.account,
                        opened_at=opened_at,
                        expires_at=context.expires_at,
                        revision=100 + number,
                        state=b"\0" * 3500,
                        inspected_at=now - timedelta(seconds=seconds_ago),
                        interval_ms=40_000,
                        camera=None,
                        answer=answer(quality).to_json(),
                        progress=PrintProgress(12, 340, 0.31, "Printing").to_json(),
                    )
                )
                names = {"name": f"Bracket {number}", "printer": f"Printer {number % 20}", **labels}
                session.add(
                    PrintRow(
                        context_id=context.id,
                        account_id=self.account,
                        opened_at=opened_at,
                        expires_at=context.expires_at,
                        **{"camera": None, "file": None, **names},
                    )
                )
        return ids


def answer(quality: int) -> Answer:
    """An answer of this quality."""
    failing = quality <= 3
    return Answer(
        interval=Plan(20, 40),
        quality=quality,
        score=10 * (10 - quality),
        warning=failing,
        pause=quality == 1,
        suspicious=failing,
        kind="spaghetti" if failing else None,
        condition="ok",
        detail=None,
    )
