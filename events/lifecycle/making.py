"""Makes a project: its row, its table of ids and its ClickHouse database."""

from django.db import transaction
from structlog import get_logger

from analytics import zones
from analytics.maintenance.migrate import apply_schema, database_exists
from events.auditing.rezoning import check_zone
from events.storing import dedup
from projects.models import Project

log = get_logger(__name__)


def make(project: Project) -> None:
    """Make a new project. When this returns, it takes events and answers questions.

    Raises Django's ValidationError for a wrong zone, or a slug or name that is wrong or taken,
    django.db.Error, and ClickHouseError or what `apply_schema` raises. Then there is no project,
    but its empty database may be left in ClickHouse. No other project gets that number.
    """
    project.rollup_zone = check_zone(project.time_zone)
    project.rollup_tzdata = zones.versions()
    project.full_clean()
    while not _made(project):
        pass
    log.info("project_made", project=project.pk, slug=project.slug)


def _made(project: Project) -> bool:
    """Make the project under the next number. False if ClickHouse has data of that number.

    That is so if PostgreSQL was restored from a backup that is older than a project. These events
    must not appear in another project, and nobody but a person may delete them.

    ClickHouse is asked inside the transaction, so that nobody sees a project without its database.
    The transaction locks only the new row and the new table.
    """
    with transaction.atomic():
        project.pk = None
        project.save(force_insert=True)
        if database_exists(project=project.pk):
            log.warning("project_number_taken", project=project.pk)
            transaction.set_rollback(True)
            return False
        dedup.make(project.pk)
        apply_schema(project=project.pk, zone=project.time_zone)
    return True
