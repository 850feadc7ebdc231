"""Makes a project: its row, its table of ids and its ClickHouse database."""

from django.db import transaction
from structlog import get_logger

from analytics import zones
from analytics.maintenance.migrate import apply_schema
from events.auditing.rezoning import check_zone
from events.storing import dedup
from projects.models import Project

log = get_logger(__name__)


def make(*, slug: str, name: str, time_zone: str = zones.UTC) -> Project:
    """Make a project and return it when it can take events and answer questions.

    Raises Django's ValidationError for a wrong zone, or a slug or name that is wrong or taken,
    django.db.Error, and ClickHouseError or what `apply_schema` raises. Then there is no project,
    but its empty database may be left in ClickHouse. No other project gets that number.
    """
    project = Project(slug=slug, name=name, time_zone=check_zone(time_zone), rollup_zone=time_zone)
    project.full_clean()
    project.rollup_tzdata = zones.versions()
    with transaction.atomic():
        project.save(force_insert=True)
        dedup.make(project.pk)
        # Before the commit, so that nobody sees a project without its database.
        apply_schema(project=project.pk, zone=time_zone)
    log.info("project_made", project=project.pk, slug=slug)
    return project
