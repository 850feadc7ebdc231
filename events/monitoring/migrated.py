"""Whether PostgreSQL has the tables of this version."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

_seen: set[str] = set()


class MigrationsNotApplied(DatabaseError):
    """`manage.py migrate` has not run, or has not finished."""


def require() -> None:
    """Raises MigrationsNotApplied. Once it has seen all migrations applied, it looks nothing up."""
    name = str(connection.settings_dict["NAME"])
    if name in _seen:
        return
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise MigrationsNotApplied(f"{len(missing)} migrations are not applied")
    _seen.add(name)
