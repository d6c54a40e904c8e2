"""Composition root: builds every part of the server once: the only file that knows them all."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from layerwatch import console
from layerwatch.acting import WatcherExchange
from layerwatch.api import health, openapi, routes, watcher_routes
from layerwatch.api.body_deadline import BodyDeadline
from layerwatch.api.cors import CorsHeaders, Preflight
from layerwatch.api.errors import ApiError, bad_args, internal, translate
from layerwatch.api.head import HeadMiddleware
from layerwatch.api.request_log import RequestLogMiddleware
from layerwatch.billing import UsageRefused, count_deferred, count_inspection
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.payments.factory import payments_of
from layerwatch.billing.scheduled_jobs import WAIT_FOR_CLOCK_S, ScheduledJobs, run_forever
from layerwatch.calibration import DEFAULT_CAPACITY, calibrate, take_over
from layerwatch.config import ConfigError, Settings
from layerwatch.console import status
from layerwatch.contexts import Answer, Context, ContextError, ContextIds, Contexts
from layerwatch.contexts.offline.ledger import OfflineLedger
from layerwatch.contexts.offline.shared_answers import SharedAnswers
from layerwatch.contexts.offline.spool import Spool
from layerwatch.contexts.retention import make_room, sweep_forever
from layerwatch.core.clock import Clock, ClockGuard, SystemClock
from layerwatch.core.private_files import private_folder
from layerwatch.fleet.heartbeat import Heartbeat, Numbers
from layerwatch.fleet.region_router import RegionRouter
from layerwatch.identity.roles import is_verified_member
from layerwatch.keys import CallerRefused, KeyAuthenticator
from layerwatch.keys.request_recorder import RequestRecorder
from layerwatch.keys.request_recorder import delete_old as delete_old_requests
from layerwatch.learning import (
    ExampleStore,
    FeedbackLimitReached,
    FeedbackRecorder,
    LearningError,
    RecentPictures,
)
from layerwatch.learning.deletion import FeedbackSweeper
from layerwatch.learning.earlier_files import move_files
from layerwatch.learning.rollout import LiveModels, ModelRegistry, RolloutKeeper
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.learning.second_opinions import SecondOpinions
from layerwatch.notify import EventKind, NotificationDelivery
from layerwatch.notify.delivery import PERIOD_S as NOTIFY_PERIOD_S
from layerwatch.notify.mail import mailer_for
from layerwatch.obico import routes as obico
from layerwatch.pacing import Admission, Bounds, CallSchedule, Capacity, Pacer, Throttled
from layerwatch.printers import MemorySweeper, PrinterMemories, start_of
from layerwatch.printers.repository import unlearn
from layerwatch.prints import PrintRegister
from layerwatch.prints.alarms import PrintAlarms
from layerwatch.prints.recorder import PrintRecorder
from layerwatch.prints.repository import printer_of
from layerwatch.prints.retention import PrintSweeper
from layerwatch.prints.unseen import PERIOD_S as WATCH_PERIOD_S
from layerwatch.prints.unseen import PrintWatch
from layerwatch.services import OwnWatcherControl, Peers, Services
from layerwatch.status.uptime_recorder import UptimeRecorder
from layerwatch.storage import (
    Claims,
    Database,
    DatabaseGateway,
    ObjectStore,
    StorageError,
    StorageUnavailable,
    open_objects,
)
from layerwatch.telemetry import tracing
from layerwatch.telemetry.metrics import Metrics
from layerwatch.vision import Vision
from layerwatch.vision.errors import VisionError
from layerwatch.vision.inspector import Inspector
from layerwatch.vision.model_files import large_file

log = structlog.get_logger(__name__)

REFUSALS: tuple[type[Exception], ...] = (
    *(ApiError, CallerRefused, UsageRefused, ContextError),
    *(Throttled, VisionError, StorageUnavailable, FeedbackLimitReached),
)
"""What routes raise to say no."""

MakeInspector = Callable[[Metrics], Inspector]
"""Makes what looks at pictures, and lets it report to the metrics."""

OpenModel = Callable[[Metrics, str], Inspector]
"""Makes what looks with the model of this SHA-256. Blocks; raises LearningError, ModelError."""

MakePeers = Callable[[Metrics, RecentPictures], Peers]
"""Finds the other processes of the same server, and shows them the metrics and pictures of this one."""

MakeOwnWatcher = Callable[[Database], OwnWatcherControl]
"""Makes the watcher beside a server of one process."""


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    vision: Inspector | MakeInspector | None = None,
    open_model: OpenModel | None = None,
    peers: MakePeers | None = None,
    own_watcher: MakeOwnWatcher | None = None,
    slot: str = "",
) -> Starlette:
    """The server as an ASGI application.

    clock, vision, open_model: put in place of the machine's clock and the ONNX detectors, by tests and by Ray
    Serve.
    own_watcher: the watcher that runs beside this process, if one may.
    peers, slot: where several processes are one server, the others, and this one's name among them.
    Opens the database (without asking it anything) and loads the detector. Raises ConfigError, ModelError.
    """
    if settings.traces == "otlp" and not tracing.on():
        tracing.start(settings.region, slot)
    services = build(
        settings,
        clock=clock,
        vision=vision,
        open_model=open_model,
        peers=peers,
        own_watcher=own_watcher,
        slot=slot,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(services.database.migrate)
        with suppress(StorageError):  # the sweep tries again, and nothing depends on it
            await asyncio.to_thread(make_room, services.database, services.clock.now())
        await services.offline_ledger.catch_up()
        await _follow_models(services)
        heartbeat = _heartbeat(services, slot)
        if not await take_over(services, heartbeat):
            services.capacity.calibrate(await calibrate(services.vision))
        log.info(
            "ready", model=services.vision.model_version, capacity=round(services.capacity.per_second, 1)
        )
        with suppress(StorageError):
            await heartbeat.beat()
        if services.peers:
            await services.peers.open()
        chores = [
            asyncio.create_task(heartbeat.beat_forever()),
            asyncio.create_task(services.offline_ledger.mend_forever()),
            asyncio.create_task(
                sweep_forever(
                    services.database,
                    services.clock,
                    speed=services.settings.clock_speed,
                    also=_sweepers(services),
                )
            ),
            asyncio.create_task(services.print_recorder.run_forever()),
            asyncio.create_task(run_forever(_scheduled_jobs(services).all, services.clock)),
            asyncio.create_task(_notify_forever(services)),
            asyncio.create_task(services.requests.write_forever(services.gateway)),
            asyncio.create_task(services.rollout.look_forever()),
            asyncio.create_task(
                SecondOpinions(services.gateway, services.examples, services.vision).score_forever()
            ),
        ]
        if services.uptime:
            chores.append(asyncio.create_task(services.uptime.keep_forever(services.gateway)))
        yield
        await heartbeat.stop()
        with suppress(StorageError):
            await services.requests.write(services.gateway)
        if services.uptime:
            with suppress(StorageError):
                await services.uptime.write(services.gateway)
        if services.peers:
            await services.peers.close()
        for chore in chores:
            chore.cancel()
            with suppress(asyncio.CancelledError):
                await chore
        await services.print_recorder.close()
        await asyncio.to_thread(services.offline_ledger.close)
        await asyncio.to_thread(services.vision.close)
        await asyncio.to_thread(services.database.close)
        if settings.traces == "otlp":
            await asyncio.to_thread(tracing.stop)

    app = Starlette(
        routes=[*routes.ROUTES, *watcher_routes.ROUTES, *health.ROUTES, *openapi.ROUTES], lifespan=lifespan
    )
    app.router.redirect_slashes = False
    app.state.services = services
    if settings.obico_api:
        obico.install(app, services)
    console.install(app, services)
    if settings.status_page:
        status.install(app, services)
    _answer_errors(app, services)
    # The last one added stands outermost.
    app.add_middleware(
        BodyDeadline,
        silence=settings.upload_silence,
        whole=settings.upload_seconds,
        metrics=services.metrics,
    )
    app.add_middleware(HeadMiddleware)
    if settings.origins:
        app.add_middleware(Preflight, origins=settings.origins)
    app.add_middleware(
        RequestLogMiddleware,
        metrics=services.metrics,
        recorder=services.requests,
        clock=services.clock,
        uptime=services.uptime,
    )
    if settings.origins:
        app.add_middleware(CorsHeaders, origins=settings.origins)
    return app


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    vision: Inspector | MakeInspector | None = None,
    open_model: OpenModel | None = None,
    peers: MakePeers | None = None,
    own_watcher: MakeOwnWatcher | None = None,
    slot: str = "",
) -> Services:
    """Make the services of a server from its settings."""
    with suppress(OSError):  # what needs the folder says so itself
        private_folder(settings.data_dir)
    secrets = settings.secrets()
    terms = Terms.of(settings)
    clock = clock or SystemClock(settings.clock_speed)
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
    others = peers(metrics, recent) if peers else None
    recent.elsewhere = others.pictures if others else None
    capacity, schedule = Capacity(DEFAULT_CAPACITY), CallSchedule()
    pacer = Pacer(_bounds(settings), capacity, schedule, speed=settings.clock_speed)
    store = ModelStore(objects, settings.data_dir / "models")
    if vision is None and open_model is None and settings.detector == "standard":

        def open_model(metrics: Metrics, model: str) -> Inspector:
            return _load_vision(settings, metrics, store.path(model))

    models = LiveModels(
        vision(metrics) if callable(vision) else vision or _base_vision(settings, metrics),
        partial(open_model, metrics) if open_model else None,
        clock.now,
    )
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
        rollout=RolloutKeeper(models, gateway, clock.now, _node_name(settings, slot)),
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
        examples=examples,
        feedback=FeedbackRecorder(gateway, examples, recent, unlearn, printer_of),
        metrics=metrics,
        requests=RequestRecorder(),
        terms=terms,
        peers=others,
        own_watcher=own_watcher(database) if own_watcher else None,
        uptime=UptimeRecorder(settings.region, lambda: gateway.away) if settings.status_page else None,
    )
    _show(services)
    return services


def _open_objects(settings: Settings) -> ObjectStore:
    try:
        return open_objects(settings.objects, settings.data_dir / "objects")
    except ValueError as error:
        raise ConfigError(f"objects (or LAYERWATCH_OBJECTS): {error}") from error


def _node_name(settings: Settings, slot: str) -> str:
    """The same for each process that follows another in the same place."""
    place = f"{socket.gethostname()} {settings.data_dir} {settings.port} {slot}".rstrip()
    return f"{settings.region}-{hashlib.sha256(place.encode()).hexdigest()[:16]}"


def _heartbeat(services: Services, slot: str) -> Heartbeat:
    settings = services.settings
    return Heartbeat(
        services.gateway,
        services.router,
        identity=_node_name(settings, slot),
        region=settings.region,
        url=settings.own_url,
        numbers=lambda: Numbers(services.capacity.per_second, services.schedule.prints(services.clock.now())),
    )


async def _follow_models(services: Services) -> None:
    """Begin with the models that the database names, if it answers; else with the packaged one for now."""
    if not services.vision.can_change:
        return
    folder = services.settings.data_dir / "models"
    try:
        await asyncio.to_thread(services.models.take_over_folder, folder, services.clock.now())
        await services.rollout.look()
    except (StorageError, LearningError) as error:
        log.error("models_not_read", why=str(error))


def _scheduled_jobs(services: Services) -> ScheduledJobs:
    settings = services.settings
    return ScheduledJobs(
        database=services.database,
        claims=Claims(services.database, SystemClock()),
        mailer=mailer_for(settings.mail_server.get_secret_value(), settings.mail_from),
        terms=services.terms,
        payments=payments_of(settings),
        base_url=settings.own_url,
        guard=ClockGuard(speed=settings.clock_speed, wait=WAIT_FOR_CLOCK_S),
    )


async def _notify_forever(services: Services) -> None:
    """Send notifications, and look for prints that are not seen."""
    settings = services.settings
    delivery = NotificationDelivery(
        services.database,
        SystemClock(),
        mailer_for(settings.mail_server.get_secret_value(), settings.mail_from),
        settings.webhooks_private,
        is_verified_member,
    )
    watch = PrintWatch(services.database, PrintAlarms(f"{settings.own_url}/console"))
    await asyncio.gather(
        run_forever({"notify": lambda _: delivery.deliver_due()}, services.clock, NOTIFY_PERIOD_S),
        run_forever({"print_watch": watch.look}, services.clock, WATCH_PERIOD_S / settings.clock_speed),
        run_forever(
            {
                "notify_log": lambda _: delivery.delete_old(),
                "request_log": lambda now: _delete_old_requests(services.database, now),
            },
            services.clock,
            3600.0,
        ),
    )


def _delete_old_requests(database: Database, now: datetime) -> None:
    while database.transact(lambda session: delete_old_requests(session, now)):
        pass


def _announce(
    alarms: PrintAlarms, session: Session, context: Context, at: datetime, answer: Answer, pause: bool
) -> None:
    """Notify of a warning or a suggested pause that begins with this answer."""
    facts = {"quality": answer.quality, "score": answer.score, "kind": answer.kind}
    kind = EventKind.PAUSE_SUGGESTED if pause else EventKind.WARNING
    alarms.announce(session, kind, context.id, context.account_id, at, facts)


def _sweepers(services: Services) -> Callable[[datetime], None]:
    """What is cleared away beside contexts."""
    settings = services.settings
    feedback = FeedbackSweeper(services.database, services.examples, timedelta(days=settings.feedback_days))
    prints = PrintSweeper(
        services.database,
        services.objects,
        pictures_for=timedelta(days=settings.pictures_days),
        picture_bytes=settings.pictures_mb * 10**6,
    )
    memories = MemorySweeper(services.database)

    def sweep(now: datetime) -> None:
        move_files(settings.data_dir / "examples", services.database, services.examples)
        feedback.sweep(now)
        prints.sweep(now)
        memories.sweep(now)

    return sweep


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        least=settings.interval_min,
        rest=max(settings.interval_rest, settings.interval_min),
        suspicious=max(settings.interval_suspicious, settings.interval_min),
        most=max(settings.interval_ceiling, settings.interval_rest),
    )


def _load_vision(settings: Settings, metrics: Metrics, file: Path | None) -> Vision:
    return Vision.load(
        file,
        provider=settings.detector_provider,
        threads=settings.detector_threads,
        on_batch=metrics.batch,
    )


def _base_vision(settings: Settings, metrics: Metrics) -> Vision:
    """What the setting `detector` names."""
    if settings.detector == "standard":
        return _load_vision(settings, metrics, None)
    large = settings.detector == "large"
    file = large_file(settings.data_dir / "models") if large else Path(settings.detector)
    return _load_vision(settings, metrics, file)


def _show(services: Services) -> None:
    """The gauges of a running server."""

    def gauge(name: str, meaning: str, read: Callable[[], float]) -> None:
        services.metrics.gauge(name, meaning, read)

    gauge("capacity_per_second", "Measured inspections a second.", lambda: services.capacity.per_second)
    gauge("inspections_under_way", "Pictures being judged.", lambda: services.admission.under_way)
    started_at = time.time()
    gauge("started_at_seconds", "When this process started, Unix time.", lambda: started_at)
    gauge("database_away", "1 while the database is out of reach.", lambda: services.gateway.away)
    gauge("spool_units", "Inspections answered but not yet booked.", lambda: services.offline_ledger.waiting)
    gauge("billing_lag_seconds", "For how long there have been such.", lambda: services.offline_ledger.lag)
    recorder = services.print_recorder
    gauge("print_moments_waiting", "Answers not yet in a print's course.", lambda: recorder.waiting)
    gauge("upload_bytes_held", "Bytes of uploads in memory.", lambda: services.admission.bytes_held)
    gauge("stretch", "Factor on the rest intervals.", lambda: services.pacer.stretch(services.clock.now()))
    for name in ("healthy", "suspicious"):
        gauge(
            f"prints_{name}",
            f"Live prints, {name} (estimated).",
            lambda name=name: getattr(services.schedule.prints(services.clock.now()), name),  # type: ignore[misc]
        )


def _answer_errors(app: Starlette, services: Services) -> None:
    """Every refusal in the wire's one form."""

    async def refuse(request: Request, error: Exception) -> JSONResponse:
        refusal = translate(error)
        services.metrics.refused(refusal.type)
        request.state.crashed = refusal.crash
        request.state.log = {**getattr(request.state, "log", {}), "error": refusal.type.value}
        if isinstance(error, ContextError):
            request.state.log["why"] = str(error)
        return refusal.response()

    async def no_such(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 404:
            refusal = bad_args("Not found. See /docs.", 404)
        elif error.status_code == 405:
            allowed = _allowed(headers.pop("Allow", ""))
            headers["Allow"] = allowed
            refusal = bad_args(f"This path takes {allowed}, not {request.method}.", 405)
        elif error.status_code < 500:
            refusal = bad_args(str(error.detail), error.status_code)
        else:
            refusal = internal()
        refusal.headers |= headers
        return await refuse(request, refusal)

    for kind in REFUSALS:
        app.add_exception_handler(kind, refuse)
    app.add_exception_handler(HTTPException, no_such)


def _allowed(methods: str) -> str:
    """A route's methods for the header Allow, sorted; where GET works HEAD does."""
    named = {method.strip() for method in methods.split(",") if method.strip()}
    return ", ".join(sorted(named | ({"HEAD"} if "GET" in named else set())))
