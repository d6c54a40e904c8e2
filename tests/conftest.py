"""Fixtures that every test may use; what they do stands in `tests/support`."""

from tests.support.databases import (
    database,
    database_url,
    postgres_template,
    postgres_url,
    sqlite_database,
    sqlite_template,
    sqlite_url,
)
from tests.support.servers import server, server_on_each, server_settings

__all__ = [
    "database",
    "database_url",
    "postgres_template",
    "postgres_url",
    "server",
    "server_on_each",
    "server_settings",
    "sqlite_database",
    "sqlite_template",
    "sqlite_url",
]
