"""What billing does by itself: close months, mail invoices, collect payments, deliver spend alerts.

Every node runs every job, each in a thread apart from the others', so that one which waits for somebody else
(a mail server, a webhook, the payment provider) holds up no other. What leaves the house is claimed first, so
that one node does it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from layerwatch.billing import invoice_repository
from layerwatch.billing.alert_delivery import AlertDelivery
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.closing import ClosingReport, close_months, newest_closable
from layerwatch.billing.money import cents
from layerwatch.billing.payments import Payments
from layerwatch.billing.statement import statement
from layerwatch.core.clock import Clock, ClockGuard
from layerwatch.identity.repository import get_account
from layerwatch.keys import retire_keys
from layerwatch.notify.mail import Mail, Mailer, MailError
from layerwatch.storage import Claims, Database, StorageError

log = structlog.get_logger(__name__)

WAIT_FOR_CLOCK_S = 3600.0
"""Real seconds for which no month is closed after the clock was set ahead: it could not be opened again."""

RUN_INTERVAL_S = 60.0
"""Seconds between two runs of a job: how late a spend alert may be."""


@dataclass(frozen=True, slots=True)
class ScheduledJobs:
    """The jobs. `base_url` is where the mails say the console is.

    guard: of the clock that the jobs are run by, with `WAIT_FOR_CLOCK_S`.
    """

    database: Database
    claims: Claims
    mailer: Mailer
    terms: Terms
    payments: Payments
    base_url: str
    guard: ClockGuard

    @property
    def all(self) -> Mapping[str, Callable[[datetime], object]]:
        """Every job by its name: does what is due at a time; what fails is tried again in a later run."""
        alerts = AlertDelivery(self.database, self.claims, self.terms)
        return {
            "close_months": self.close_months,
            "mail_invoices": self.mail_invoices,
            "collect_payments": lambda now: self.payments.collect(
                self.database, self.claims, self.terms, now
            ),
            "mail_alerts": lambda now: alerts.mail(self.mailer, now),
            "announce_alerts": alerts.announce,
            "retire_keys": lambda now: self.database.transact(lambda session: retire_keys(session, now)),
            "announce_limits": alerts.announce_limits,
            "forget_claims": lambda _: self.claims.forget_abandoned(),
        }

    def close_months(self, now: datetime) -> ClosingReport:
        """Close every month that is over for every account; none while the clock cannot be trusted."""
        if not self.guard.trusts(now):
            log.warning("closing_waits_for_clock", now=now.isoformat())
            return ClosingReport([], [])
        return close_months(self.database, newest_closable(now), self.terms, now)

    def mail_invoices(self, now: datetime) -> int:
        """Mail each invoice that was not mailed yet to its account's billing address; how many were."""
        with self.database.read() as session:
            waiting = invoice_repository.to_mail(session)
        return sum(self._mail(invoice_id, now) for invoice_id in waiting)

    def _mail(self, invoice_id: int, now: datetime) -> bool:
        def due(session: Session) -> bool:
            return invoice_repository.get_invoice(session, invoice_id).mailed_at is None

        def work() -> None:
            with self.database.read() as session:
                mail = self._written(session, invoice_id, now)
            self.mailer.send(mail)

        def done(session: Session) -> None:
            invoice_repository.mailed(session, invoice_id, now)

        try:
            return self.claims.run(f"invoice {invoice_id} mail", due=due, work=work, done=done)
        except MailError as error:
            log.warning("invoice_not_mailed", invoice=invoice_id, why=str(error))
            return False

    def _written(self, session: Session, invoice_id: int, now: datetime) -> Mail:
        from layerwatch.billing.pdf import invoice_pdf  # slow to import, and rarely needed

        row = invoice_repository.get_invoice(session, invoice_id)
        address = get_account(session, row.account_id).billing_email or ""
        invoice = statement(session, row)
        text = (
            f"Your invoice {invoice.number} for {invoice.calls:,} inspections in {invoice.month} is"
            f" {cents(invoice.cents)}.\nIt is due on {invoice.due_at:%Y-%m-%d}.\n\n"
            f"{self.base_url}/console/invoices/{invoice.number}\n"
            + (f"\nReference {invoice.number}:\n{invoice.pay_to}\n" if invoice.pay_to else "")
        )
        file = (f"{invoice.number}.pdf", invoice_pdf(invoice, now))
        return Mail(address, f"Layerwatch: invoice {invoice.number}", text, file)


async def run_forever(
    jobs: Mapping[str, Callable[[datetime], object]], clock: Clock, period: float = RUN_INTERVAL_S
) -> None:
    """Run each job every `period` real seconds, give or take a quarter so that nodes do not march in step."""
    threads = ThreadPoolExecutor(len(jobs), thread_name_prefix="layerwatch-job")

    async def repeat(name: str, job: Callable[[datetime], object]) -> None:
        while True:
            await asyncio.sleep(period * random.uniform(0.75, 1.25))
            try:
                await asyncio.get_running_loop().run_in_executor(threads, job, clock.now())
            except StorageError as error:
                log.warning("job_failed", job=name, why=str(error))
            except Exception:
                log.exception("job_crashed", job=name)

    try:
        async with asyncio.TaskGroup() as group:
            for name, job in jobs.items():
                group.create_task(repeat(name, job))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
