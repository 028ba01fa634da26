"""Postgres: the embedded server, roles, migrations, named queries and the two doors."""

from ondol.infrastructure.storage.postgres.database import Connection, Database, DatabaseAddresses, DatabaseAway, one, rows
from ondol.infrastructure.storage.postgres.following import follow
from ondol.infrastructure.storage.postgres.queries import load_queries

__all__ = ["Connection", "Database", "DatabaseAddresses", "DatabaseAway", "follow", "load_queries", "one", "rows"]
