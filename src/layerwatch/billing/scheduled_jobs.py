"""What billing does by itself: close the month that is over, mail its invoices, tell spend alerts.

Every node runs it; each step is claimed in the database first, so that it happens once.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from layerwatch.billing import alerts
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.errors import BillingError
from layerwatch.billing.invoices import SETTLE, close
from layerwatch.billing.models import Closing, Invoice
from layerwatch.billing.money import cents
from layerwatch.billing.month import Month
from layerwatch.billing.payments import Payments
from layerwatch.billing.pricebook import PriceBookError
from layerwatch.billing.statement import statement
from layerwatch.core.clock import Clock
from layerwatch.identity.models import Account
from layerwatch.notify import Webhooks
from layerwatch.notify.mail import Mail, Mailer, MailError
from layerwatch.storage import Database, StorageError

log = structlog.get_logger(__name__)

PERIOD = 60.0
"""Seconds between rounds: how late a spend alert may be."""


@dataclass(frozen=True, slots=True)
class Housekeeper:
    """Does what is due. `base_url` is where the mails say the console is."""

    database: Database
    mailer: Mailer
    webhooks: Webhooks
    terms: Terms
    payments: Payments
    base_url: str

    def round(self, now: datetime) -> None:
        """Do everything that is due at `now`; what fails is tried again in the next round."""
        self.close_last_month(now)
        self.mail_invoices(now)
        self.payments.collect(self.database, self.terms, now)
        alerts.tell(self.database, self.mailer, self.webhooks, self.terms, now)

    def close_last_month(self, now: datetime) -> int:
        """Close the month before this one for every account that is not closed yet; how many were."""
        month = Month.of(now).previous
        if now < month.end + SETTLE:
            return 0
        closed = exists().where(Closing.account_id == Account.id, Closing.month == str(month))
        with self.database.read() as session:
            waiting = session.scalars(
                select(Account.id).where(Account.created_at < month.end, ~closed).order_by(Account.id)
            ).all()
        for account_id in waiting:
            try:
                self.database.transact(
                    lambda session, account_id=account_id: close(  # type: ignore[misc]
                        session, account_id, month, self.terms, now
                    )
                )
            except (BillingError, PriceBookError) as error:
                log.error("month_not_closed", account=account_id, month=str(month), why=str(error))
        return len(waiting)

    def mail_invoices(self, now: datetime) -> int:
        """Mail each invoice that was not mailed yet to its account's billing address; how many were."""
        with self.database.read() as session:
            waiting = session.execute(
                select(Invoice.id, Account.billing_email)
                .join(Account, Account.id == Invoice.account_id)
                .where(Invoice.mailed_at.is_(None), Account.billing_email.is_not(None))
                .order_by(Invoice.id)
            ).all()
        mailed = 0
        for invoice_id, address in waiting:
            if not self.database.transact(lambda session, i=invoice_id: _claim(session, i, now)):  # type: ignore[misc]
                continue
            with self.database.read() as session:
                mail = self._mail(session, invoice_id, address or "", now)
            try:
                self.mailer.send(mail)
                mailed += 1
            except MailError as error:
                log.warning("invoice_not_mailed", invoice=invoice_id, why=str(error))
                self.database.transact(lambda session, i=invoice_id: _give_back(session, i))  # type: ignore[misc]
        return mailed

    def _mail(self, session: Session, invoice_id: int, address: str, now: datetime) -> Mail:
        from layerwatch.billing.pdf import invoice_pdf  # slow to import, and rarely needed

        invoice = statement(session, session.get_one(Invoice, invoice_id))
        text = (
            f"Your invoice {invoice.number} for {invoice.calls:,} inspections in {invoice.month} is"
            f" {cents(invoice.cents)}.\nIt is due on {invoice.due_at:%Y-%m-%d}.\n\n"
            f"{self.base_url}/console/invoices/{invoice.number}\n"
        )
        file = (f"{invoice.number}.pdf", invoice_pdf(invoice, now))
        return Mail(address, f"Layerwatch: invoice {invoice.number}", text, file)


async def keep_house_forever(housekeeper: Housekeeper, clock: Clock, period: float = PERIOD) -> None:
    """A round every `period` real seconds, give or take a quarter so that nodes do not march in step."""
    while True:
        await asyncio.sleep(period * random.uniform(0.75, 1.25))
        try:
            await asyncio.to_thread(housekeeper.round, clock.now())
        except StorageError as error:
            log.warning("housekeeping_failed", why=str(error))
        except Exception:
            log.exception("housekeeping_crashed")


def _claim(session: Session, invoice_id: int, now: datetime) -> bool:
    claimed = session.execute(
        update(Invoice)
        .where(Invoice.id == invoice_id, Invoice.mailed_at.is_(None))
        .values(mailed_at=now)
        .returning(Invoice.id)
    )
    return claimed.first() is not None


def _give_back(session: Session, invoice_id: int) -> None:
    session.execute(update(Invoice).where(Invoice.id == invoice_id).values(mailed_at=None))
