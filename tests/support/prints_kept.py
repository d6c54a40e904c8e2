"""What the service keeps of a print's names."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.prints import PrintLabels
from layerwatch.prints.models import PrintRow


def labels_of(session: Session, context_ids: Collection[str]) -> dict[str, PrintLabels]:
    """The labels of those prints that have any."""
    rows = session.scalars(select(PrintRow).where(PrintRow.context_id.in_(context_ids)))
    return {row.context_id: PrintLabels(row.name, row.printer, row.camera, row.file) for row in rows}
