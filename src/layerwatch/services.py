"""The services of a running server, for those who serve requests with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from layerwatch.acting import WatcherExchange
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.payments import Payments
from layerwatch.config import Settings
from layerwatch.contexts import ContextIds, Contexts
from layerwatch.contexts.offline.ledger import OfflineLedger
from layerwatch.core.clock import Clock
from layerwatch.core.secrets import Secrets
from layerwatch.drift import DriftMonitor
from layerwatch.fleet.region_router import RegionRouter
from layerwatch.keys import KeyAuthenticator
from layerwatch.keys.request_recorder import RequestRecorder
from layerwatch.learning import ExampleStore, FeedbackRecorder, RecentPictures
from layerwatch.learning.recent import RecentPicture
from layerwatch.learning.rollout import LiveModels, ModelRegistry, RolloutKeeper
from layerwatch.notify.mail import Mailer
from layerwatch.pacing import Admission, CallSchedule, Capacity, Pacer
from layerwatch.printers import PrinterMemories
from layerwatch.prints import PrintRegister
from layerwatch.prints.recorder import PrintRecorder
from layerwatch.status.uptime_recorder import UptimeRecorder
from layerwatch.storage import Database, DatabaseGateway, ObjectStore

if TYPE_CHECKING:
    from layerwatch.telemetry.metrics import Metrics


class Peers(Protocol):
    """The other processes of one server, as far as this one has to know of them."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def metrics(self) -> dict[str, bytes]:
        """The metrics of all of them, this one's too, by a name for each."""
        ...

    def pictures(self, context_id: str) -> list[RecentPicture]:
        """What the others hold of a context. Waits for them: not for an event loop."""
        ...


class OwnWatcherControl(Protocol):
    """The watcher that runs beside a server of one process."""

    path: Path
    """Its file, which may not exist yet."""

    @property
    def running(self) -> bool: ...

    def restart(self) -> None:
        """Watch what the file says now. Raises UserError."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that `app.build_services` put together; found at `request.app.state.services`."""

    settings: Settings
    secrets: Secrets
    clock: Clock
    database: Database
    gateway: DatabaseGateway
    objects: ObjectStore
    offline_ledger: OfflineLedger
    authenticator: KeyAuthenticator
    ids: ContextIds
    contexts: Contexts
    vision: LiveModels
    models: ModelRegistry
    rollout: RolloutKeeper
    capacity: Capacity
    schedule: CallSchedule
    pacer: Pacer
    admission: Admission
    router: RegionRouter
    recent: RecentPictures
    prints: PrintRegister
    watchers: WatcherExchange
    printers: PrinterMemories
    print_recorder: PrintRecorder
    drift: DriftMonitor
    examples: ExampleStore
    feedback: FeedbackRecorder
    mailer: Mailer
    payments: Payments
    metrics: Metrics
    requests: RequestRecorder
    terms: Terms
    peers: Peers | None
    """None in a server of one process."""
    own_watcher: OwnWatcherControl | None
    """None where others run the watchers."""
    uptime: UptimeRecorder | None
    """None without the status page."""
