"""An invoice, its preview or its credit notes as one A4 page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import font_roboto  # type: ignore[import-untyped]
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from layerwatch.billing.money import cents, dollars
from layerwatch.billing.statement import Statement

INK = (24, 33, 44)
FAINT = (104, 117, 132)
LINE = (214, 220, 227)
ACCENT = (11, 110, 110)
MARGIN = 20.0
WIDTH = 170.0


def invoice_pdf(invoice: Statement, now: datetime) -> bytes:
    """The invoice as a PDF file. `now` decides whether it is shown as overdue.

    The same invoice at the same moment gives the same bytes.
    """
    page = FPDF(format="A4")
    page.set_creation_date(invoice.issued_at or now)
    page.set_title(f"Invoice {invoice.number}" if invoice.number else f"Invoice preview {invoice.month}")
    page.set_author(invoice.seller.splitlines()[0])
    page.add_font("Roboto", "", font_roboto.Roboto)
    page.add_font("Roboto", "B", font_roboto.RobotoMedium)
    page.set_margin(MARGIN)
    page.set_auto_page_break(True, margin=MARGIN)
    page.add_page()
    _head(page, invoice, now)
    _parties(page, invoice)
    _tiers(page, invoice)
    _totals(page, invoice)
    _entries(page, invoice)
    _foot(page, invoice)
    return bytes(page.output())


def _head(page: FPDF, invoice: Statement, now: datetime) -> None:
    page.set_text_color(*ACCENT)
    page.set_font("Roboto", "B", 22)
    title = f"Invoice {invoice.number}" if invoice.number else "Invoice preview"
    page.cell(WIDTH, 12, title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.set_text_color(*FAINT)
    page.set_font("Roboto", "", 10)
    facts = [f"Inspections in {invoice.month} (UTC)"]
    if invoice.issued_at and invoice.due_at:
        facts += [f"Issued {invoice.issued_at:%Y-%m-%d}", f"Due {invoice.due_at:%Y-%m-%d}"]
    else:
        facts += [f"As of {now:%Y-%m-%d %H:%M} UTC", "Not an invoice"]
    facts.append({"refund_due": "Refund due"}.get(invoice.status(now), invoice.status(now).capitalize()))
    page.cell(WIDTH, 6, "   ·   ".join(facts), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(8)


def _parties(page: FPDF, invoice: Statement) -> None:
    top = page.get_y()
    bottoms = []
    for left, heading, body in ((MARGIN, "From", invoice.seller), (MARGIN + 85, "To", invoice.buyer)):
        page.set_xy(left, top)
        page.set_text_color(*FAINT)
        page.set_font("Roboto", "", 9)
        page.cell(80, 5, heading, new_x=XPos.LEFT, new_y=YPos.NEXT)
        page.set_text_color(*INK)
        page.set_font("Roboto", "", 11)
        page.multi_cell(80, 5.5, body, align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)
        bottoms.append(page.get_y())
    page.set_xy(MARGIN, max(bottoms) + 10)


def _tiers(page: FPDF, invoice: Statement) -> None:
    page.set_draw_color(*LINE)
    page.set_font("Roboto", "", 10)
    heading = FontFace(emphasis="BOLD", color=FAINT)
    with page.table(
        borders_layout="HORIZONTAL_LINES",
        col_widths=(70, 35, 30, 35),
        text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT"),
        line_height=7.5,
        headings_style=heading,
    ) as table:
        table.row(("Calls of the month", "Calls", "Each", "Amount"))
        for line in invoice.quote["tiers"]:
            if line["calls"]:
                each = dollars(line["micro_dollars_per_call"]) if line["micro_dollars_per_call"] else "free"
                table.row((_range(line), f"{line['calls']:,}", each, dollars(line["micro_dollars"])))
        if not invoice.calls:
            table.row(("No inspections", "0", "", dollars(0)))
    page.ln(4)


def _totals(page: FPDF, invoice: Statement) -> None:
    rows = []
    if invoice.tax is not None:
        rows += [
            ("Net", cents(invoice.net)),
            (f"{invoice.tax.name} {invoice.tax.percent} %", cents(invoice.tax.cents)),
        ]
    rows.append(("Total", cents(invoice.cents)))
    if invoice.credited:
        rows.append(("Credited", cents(-invoice.credited)))
    if invoice.paid:
        rows.append(("Paid", cents(-invoice.paid)))
    if invoice.credited or invoice.paid:
        rows.append(
            ("Left to pay" if invoice.balance >= 0 else "To be refunded", cents(abs(invoice.balance)))
        )
    for name, amount in rows:
        strong = name in ("Total", "Left to pay", "To be refunded")
        page.set_text_color(*(INK if strong else FAINT))
        page.set_font("Roboto", "B" if strong else "", 12 if strong else 10)
        page.cell(WIDTH - 40, 7, name, align="R")
        page.cell(40, 7, amount, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(6)


def _entries(page: FPDF, invoice: Statement) -> None:
    page.set_font("Roboto", "", 9)
    page.set_text_color(*FAINT)
    for entry in invoice.entries:
        kind = "Credit note" if entry.kind == "credit_note" else "Payment"
        share = invoice.tax_share(entry.cents) if entry.kind == "credit_note" else 0
        tax = f" (of which {invoice.tax.name} {cents(share)})" if invoice.tax and share else ""
        text = f"{entry.at:%Y-%m-%d}  {kind} {entry.number}: {cents(entry.cents)}{tax}, {entry.reference}"
        page.multi_cell(WIDTH, 5, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _foot(page: FPDF, invoice: Statement) -> None:
    page.ln(6)
    if invoice.pay_to and invoice.number and invoice.balance > 0:
        page.set_font("Roboto", "", 10)
        page.set_text_color(*INK)
        due = (
            f"Please pay by {invoice.due_at:%Y-%m-%d}, reference {invoice.number}:" if invoice.due_at else ""
        )
        text = f"{due}\n{invoice.pay_to}"
        page.multi_cell(WIDTH, 5.5, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        page.ln(4)
    page.set_font("Roboto", "", 9)
    page.set_text_color(*FAINT)
    if invoice.tax is not None and invoice.tax.note:
        page.multi_cell(WIDTH, 5, invoice.tax.note, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    note = (
        "Only successful inspections are counted. Amounts are exact; the total is rounded once, halves to the"
        " even cent. US dollars."
    )
    page.multi_cell(WIDTH, 5, note, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _range(line: dict[str, Any]) -> str:
    if line["up_to"] is None:
        return f"above {line['above']:,}"
    return f"{line['above'] + 1:,} to {line['up_to']:,}"
