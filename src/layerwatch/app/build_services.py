"""Builds every part of the server once, from its settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypedDict, Unpack

from sqlalchemy.orm import Session

from layerwatch.acting import WatcherExchange
from layerwatch.app.detectors import MakeInspector, OpenModel, live_models
from layerwatch.app.gauges import show_gauges
from layerwatch.app.node_name import node_name
from layerwatch.billing import count_deferred, count_inspection
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.payments.factory import payments_of
from layerwatch.calibration import DEFAULT_CAPACITY
from layerwatch.config import ConfigError, Settings
from layerwatch.contexts import Answer, Context, ContextIds, Contexts
from layerwatch.contexts.offline.ledger import OfflineLedger
from layerwatch.contexts.offline.shared_answers import SharedAnswers
from layerwatch.contexts.offline.spool import Spool
from layerwatch.core.clock import Clock, SystemClock
from layerwatch.core.private_files import private_folder
from layerwatch.drift import DriftMonitor
from layerwatch.fleet.region_router import RegionRouter
from layerwatch.keys import KeyAuthenticator
from layerwatch.keys.request_recorder import RequestRecorder
from layerwatch.learning import (
    ExampleStore,
    FeedbackRecorder,
    RecentPictures,
)
from layerwatch.learning.rollout import ModelRegistry, RolloutKeeper
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.notify import EventKind
from layerwatch.notify.mail import Mailer, mailer_for
from layerwatch.pacing import Admission, Bounds, CallSchedule, Capacity, Pacer
from layerwatch.printers import PrinterMemories, start_of
from layerwatch.printers.repository import unlearn
from layerwatch.prints import PrintRegister
from layerwatch.prints.alarms import PrintAlarms
from layerwatch.prints.recorder import PrintRecorder
from layerwatch.prints.repository import printer_of
from layerwatch.services import OwnWatcherControl, Peers, Services
from layerwatch.status.uptime_recorder import UptimeRecorder
from layerwatch.storage import (
    Database,
    DatabaseGateway,
    ObjectStore,
    open_objects,
)
from layerwatch.telemetry.metrics import Metrics
from layerwatch.vision.inspector import Inspector

MakePeers = Callable[[Metrics, RecentPictures], Peers]
"""Finds the other processes of the same server, and shows them the metrics and pictures of this one."""

MakeOwnWatcher = Callable[[Database], OwnWatcherControl]
"""Makes the watcher beside a server of one process."""


class Parts(TypedDict, total=False):
    """Parts that are given to a server, by tests, by Ray Serve and by a server of several processes."""

    clock: Clock | None
    """In place of the machine's clock."""
    vision: Inspector | MakeInspector | None
    """In place of the ONNX detector."""
    open_model: OpenModel | None
    """In place of opening a model's file."""
    mailer: Mailer | None
    """In place of the mail server of the settings."""
    peers: MakePeers | None
    """The other processes, where several are one server."""
    own_watcher: MakeOwnWatcher | None
    """The watcher that runs beside this process, if one may."""


def build_services(settings: Settings, *, slot: str = "", **given: Unpack[Parts]) -> Services:
    """Make the services of a server from its settings. Raises ConfigError, ModelError, ValueError."""
    with suppress(OSError):  # what needs the folder says so itself
        private_folder(settings.data_dir)
    secrets = settings.secrets()
    terms = Terms.of(settings)
    clock = given.get("clock") or SystemClock(settings.clock_speed)
    metrics = Metrics()
    objects = _open_objects(settings)
    database = Database(settings.database_url, threads=settings.database_threads)
    gateway = DatabaseGateway(database)
    announce = partial(_announce, PrintAlarms(f"{settings.own_url}/console"))
    offline_ledger = OfflineLedger(
        gateway,
        Spool(settings.data_dir / "spool"),
        SharedAnswers(settings.data_dir / "answers"),
        count_deferred,
        announce,
        clock,
    )
    recent, examples = RecentPictures(), ExampleStore(objects)
    peers = given.get("peers")
    others = peers(metrics, recent) if peers else None
    recent.elsewhere = others.pictures if others else None
    capacity, schedule = Capacity(DEFAULT_CAPACITY), CallSchedule()
    pacer = Pacer(_bounds(settings), capacity, schedule, speed=settings.clock_speed)
    store = ModelStore(objects, settings.data_dir / "models")
    models = live_models(settings, metrics, store, clock, given.get("vision"), given.get("open_model"))
    own_watcher = given.get("own_watcher")
    admission = Admission(settings.queue_length, settings.queue_deadline, settings.upload_memory, capacity)
    services = Services(
        settings=settings,
        secrets=secrets,
        clock=clock,
        database=database,
        gateway=gateway,
        objects=objects,
        offline_ledger=offline_ledger,
        authenticator=KeyAuthenticator(database, secrets.api_keys),
        ids=ContextIds(secrets.context_ids),
        contexts=Contexts(
            offline_ledger,
            pacer,
            partial(count_inspection, books=terms.books),
            start_of,
            announce,
            clock,
        ),
        vision=models,
        models=ModelRegistry(database, store),
        rollout=RolloutKeeper(models, gateway, clock.now, node_name(settings, slot)),
        capacity=capacity,
        schedule=schedule,
        pacer=pacer,
        admission=admission,
        router=RegionRouter(_bounds(settings)),
        recent=recent,
        prints=PrintRegister(gateway),
        watchers=WatcherExchange(gateway),
        printers=PrinterMemories(gateway),
        print_recorder=PrintRecorder(
            database, objects, timedelta(days=settings.prints_days), metrics.print_recorded
        ),
        drift=DriftMonitor(gateway, metrics, clock.now),
        examples=examples,
        feedback=FeedbackRecorder(gateway, examples, recent, unlearn, printer_of),
        mailer=given.get("mailer") or mailer_for(settings.mail_server.get_secret_value(), settings.mail_from),
        payments=payments_of(settings),
        metrics=metrics,
        requests=RequestRecorder(),
        terms=terms,
        peers=others,
        own_watcher=own_watcher(database) if own_watcher else None,
        uptime=UptimeRecorder(settings.region, lambda: gateway.away) if settings.status_page else None,
    )
    show_gauges(services)
    return services


def _open_objects(settings: Settings) -> ObjectStore:
    try:
        return open_objects(settings.objects, settings.data_dir / "objects")
    except ValueError as error:
        raise ConfigError(f"objects (or LAYERWATCH_OBJECTS): {error}") from error


def _announce(
    alarms: PrintAlarms, session: Session, context: Context, at: datetime, answer: Answer, pause: bool
) -> None:
    """Notify of a warning or a suggested pause that begins with this answer."""
    facts = {"quality": answer.quality, "score": answer.score, "kind": answer.kind}
    kind = EventKind.PAUSE_SUGGESTED if pause else EventKind.WARNING
    alarms.announce(session, kind, context.id, context.account_id, at, facts)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        least=settings.interval_min,
        rest=max(settings.interval_rest, settings.interval_min),
        suspicious=max(settings.interval_suspicious, settings.interval_min),
        most=max(settings.interval_ceiling, settings.interval_rest),
    )
