"""The gauges of a running server."""

from __future__ import annotations

import time
from collections.abc import Callable

from layerwatch.services import Services


def show_gauges(services: Services) -> None:
    """Let the metrics read the services."""

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
