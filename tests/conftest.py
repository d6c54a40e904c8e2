"""Fixtures for every test, implemented in `tests/support`."""

from hypothesis import HealthCheck, settings

from tests.support.databases import (
    database,
    database_url,
    new_postgres,
    postgres_template,
    postgres_url,
    sqlite_database,
    sqlite_template,
    sqlite_url,
)
from tests.support.servers import server, server_on_each, server_settings

# A busy machine is no failure: examples have no time limit of their own, only the whole test has.
settings.register_profile("layerwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("layerwatch")

__all__ = [
    "database",
    "database_url",
    "new_postgres",
    "postgres_template",
    "postgres_url",
    "server",
    "server_on_each",
    "server_settings",
    "sqlite_database",
    "sqlite_template",
    "sqlite_url",
]
