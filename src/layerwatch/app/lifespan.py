"""The life of a server: how it starts, what it does beside requests, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import structlog

from layerwatch.app.node_name import node_name
from layerwatch.billing.scheduled_jobs import WAIT_FOR_CLOCK_S, ScheduledJobs, run_forever
from layerwatch.calibration import calibrate, take_over
from layerwatch.contexts.retention import make_room, sweep_forever
from layerwatch.core.clock import ClockGuard, SystemClock
from layerwatch.fleet.heartbeat import Heartbeat, Numbers
from layerwatch.identity.roles import is_verified_member
from layerwatch.keys.request_recorder import delete_old as delete_old_requests
from layerwatch.learning import LearningError
from layerwatch.learning.deletion import FeedbackSweeper
from layerwatch.learning.earlier_files import move_files
from layerwatch.learning.second_opinions import SecondOpinions
from layerwatch.notify import NotificationDelivery
from layerwatch.notify.delivery import PERIOD_S as NOTIFY_PERIOD_S
from layerwatch.printers import MemorySweeper
from layerwatch.prints.alarms import PrintAlarms
from layerwatch.prints.retention import PrintSweeper
from layerwatch.prints.unseen import PERIOD_S as WATCH_PERIOD_S
from layerwatch.prints.unseen import PrintWatch
from layerwatch.services import Services
from layerwatch.storage import Claims, Database, StorageError
from layerwatch.telemetry import tracing

log = structlog.get_logger(__name__)


@asynccontextmanager
async def lifespan(services: Services, slot: str) -> AsyncIterator[None]:
    """Start the server, keep its chores running until the block ends, and close what it opened.

    slot: this process's name among several of one server. Raises StorageError when the database is too new.
    """
    await asyncio.to_thread(services.database.migrate)
    with suppress(StorageError):  # the sweep tries again, and nothing depends on it
        await asyncio.to_thread(make_room, services.database, services.clock.now())
    await services.offline_ledger.catch_up()
    await _follow_models(services)
    heartbeat = _heartbeat(services, slot)
    if not await take_over(services, heartbeat):
        services.capacity.calibrate(await calibrate(services.vision))
    log.info("ready", model=services.vision.model_version, capacity=round(services.capacity.per_second, 1))
    with suppress(StorageError):
        await heartbeat.beat()
    if services.peers:
        await services.peers.open()
    tasks = [asyncio.create_task(chore) for chore in _chores(services, heartbeat)]
    yield
    await heartbeat.stop()
    with suppress(StorageError):
        await services.requests.write(services.gateway)
    if services.uptime:
        with suppress(StorageError):
            await services.uptime.write(services.gateway)
    if services.peers:
        await services.peers.close()
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await services.print_recorder.close()
    with suppress(StorageError):
        await services.drift.write()
    await asyncio.to_thread(services.offline_ledger.close)
    await asyncio.to_thread(services.vision.close)
    await asyncio.to_thread(services.database.close)
    if services.settings.traces == "otlp":
        await asyncio.to_thread(tracing.stop)


def _chores(services: Services, heartbeat: Heartbeat) -> list[Coroutine[Any, Any, None]]:
    """What runs beside requests until the server ends."""
    speed = services.settings.clock_speed
    chores = [
        heartbeat.beat_forever(),
        services.offline_ledger.mend_forever(),
        sweep_forever(services.database, services.clock, speed=speed, also=_sweepers(services)),
        services.print_recorder.run_forever(),
        run_forever(_scheduled_jobs(services).all, services.clock),
        _notify_forever(services),
        services.requests.write_forever(services.gateway),
        services.rollout.look_forever(),
        SecondOpinions(services.gateway, services.examples, services.vision).score_forever(),
        services.drift.run_forever(),
    ]
    if services.uptime:
        chores.append(services.uptime.keep_forever(services.gateway))
    return chores


def _heartbeat(services: Services, slot: str) -> Heartbeat:
    settings = services.settings
    return Heartbeat(
        services.gateway,
        services.router,
        identity=node_name(settings, slot),
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
        mailer=services.mailer,
        terms=services.terms,
        payments=services.payments,
        base_url=settings.own_url,
        guard=ClockGuard(speed=settings.clock_speed, wait=WAIT_FOR_CLOCK_S),
    )


async def _notify_forever(services: Services) -> None:
    """Send notifications, and look for prints that are not seen."""
    settings = services.settings
    delivery = NotificationDelivery(
        services.database,
        SystemClock(),
        services.mailer,
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
    while database.transact(delete_old_requests, now):
        pass


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
        feedback.sweep(now)
        prints.sweep(now)
        memories.sweep(now)
        move_files(settings.data_dir / "examples", services.database, services.examples)

    return sweep
