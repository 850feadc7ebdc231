"""Which zone's days the rollups of a project hold."""

from projects.models import Project


def rollup_zone(project: int) -> str | None:
    """The zone, as PostgreSQL has it now; None while the rollups are made anew.

    It stays for a while after the call: a change waits until nobody reads the rollups. It stays as
    long as the caller has the lock of `events.postgres.repair_lock`. Raises django.db.Error.
    """
    return Project.objects.filter(pk=project).values_list("rollup_zone", flat=True).first()
