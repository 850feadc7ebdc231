"""Whether PostgreSQL has the tables of this version."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

_seen: set[str] = set()


class MigrationsNotApplied(DatabaseError):
    """`manage.py migrate` has not run, or not to its end."""


def require() -> None:
    """Raises MigrationsNotApplied; once they were seen to be, nothing is looked up."""
    name = str(connection.settings_dict["NAME"])
    if name in _seen:
        return
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise MigrationsNotApplied(f"{len(missing)} migrations are not applied")
    _seen.add(name)
