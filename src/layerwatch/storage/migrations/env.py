"""Alembic's entry point: runs the versions on the connection that `storage.migrate` opened."""

from __future__ import annotations

from alembic import context

from layerwatch.storage.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
