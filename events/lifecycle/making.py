"""Makes a project: its ClickHouse database, its table of ids and its row."""

from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.db.models import Max
from structlog import get_logger

from analytics import clickhouse, zones
from analytics.maintenance.migrate import apply_schema, database_exists
from events.auditing.rezoning import check_zone
from events.storing import dedup
from projects.models import Project

log = get_logger(__name__)

# Numbers are the seconds since then. They fit into 31 bits until 2094.
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def make(project: Project) -> None:
    """Make a new project. When this returns, it takes events and answers questions.

    Raises Django's ValidationError for a wrong zone, or a slug or name that is wrong or taken,
    django.db.Error, and ClickHouseError or what `apply_schema` raises. Then there is no project,
    but an empty database may be left in ClickHouse. No other project gets its number.
    """
    clickhouse.ping()  # or one that hangs would be waited for as long as for an insert
    project.rollup_zone = check_zone(project.time_zone)
    project.rollup_tzdata = zones.versions()
    project.full_clean()
    project.pk = _free_number()
    # The database first, so that nobody sees a project without it.
    apply_schema(project=project.pk, zone=project.time_zone)
    try:
        with transaction.atomic():
            project.save(force_insert=True)
            dedup.make(project.pk)
    except IntegrityError:
        project.full_clean()  # somebody else was faster: raises ValidationError for a taken slug
        raise
    log.info("project_made", project=project.pk, slug=project.slug)


def _free_number() -> int:
    """A number that no project ever had.

    A sequence would repeat numbers after PostgreSQL was restored from a backup. Then messages on
    the queue, or a database in ClickHouse, of a later project would become those of a new one.
    """
    last: int = Project.objects.aggregate(last=Max("pk"))["last"]
    number = max(int((datetime.now(UTC) - _EPOCH).total_seconds()), last + 1)
    while database_exists(project=number):
        number += 1
    return number
