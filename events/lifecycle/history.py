"""Drops the events of a project that are older than the days of history it keeps.

Whole months are dropped, those of UTC: a month goes when its last day is too old. The ids stay in
dedup, so an event that was dropped can't be stored again.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from django.db import connection
from structlog import get_logger

from analytics import clickhouse
from analytics.maintenance import history, inventory
from analytics.maintenance.history import Month
from analytics.zones import day_of
from config.building_blocks.background_work import BackgroundWork
from events.auditing.rollups import rebuild_alone
from events.postgres.repair_lock import RepairRunning, alone
from events.storing import hot
from projects.models import Project

log = get_logger(__name__)


class Plan(NamedTuple):
    """What a project keeps, and what goes when.

    `kept_from` is the first day kept from the next night on, and `due` are the months that go then.
    After them goes the month `next`, in the night before `next_on`.
    """

    kept_from: date
    due: list[Month]
    next: Month
    next_on: date


def plan(project: Project, *, today: date) -> Plan | None:
    """What will be dropped; None if the project keeps everything. Raises ClickHouseError.

    Somebody waits for it, so a ClickHouse that hangs fails within seconds.
    """
    first = _kept_from(project, today)
    if first is None or project.history_days is None:
        return None
    clickhouse.ping()
    after = _next_month(first)
    months = history.months(project=project.pk, before=after)
    events = sum(month.events for month in months if month.first == first)
    return Plan(
        kept_from=first,
        due=[month for month in months if month.first < first],
        next=Month(first, events),
        next_on=after + timedelta(days=project.history_days),
    )


def told(plan: Plan) -> str:
    """The plan in a sentence or two."""
    said = f"Events are kept from {plan.kept_from} on."
    if plan.due:
        events = sum(month.events for month in plan.due)
        first, last = plan.due[0].first, plan.due[-1].first
        span = f"{first:%Y-%m}" if first == last else f"{first:%Y-%m} to {last:%Y-%m}"
        said += f" Next night those of {span} are dropped for ever: {events:,}."
    following = f"{plan.next.first:%Y-%m} ({plan.next.events:,} so far)"
    return f"{said} Those of {following} go on {plan.next_on}."


def drop_history(project: Project, *, today: date) -> list[Month]:
    """Drop what is older than the project's history, in both stores. Returns the dropped months.

    From its beginning, older events are refused. What is on its way goes the next night. Safe to
    repeat: what broke off is finished. Raises RepairRunning while another repair or rebuild runs,
    ClickHouseError, django.db.Error and psycopg.Error.
    """
    first = _kept_from(project, today)
    if first != project.history_from:
        project.history_from = first
        project.save(update_fields=["history_from"])
    due = history.months(project=project.pk, before=first) if first else []
    if not due and project.history_stale is None:
        return []
    with alone() as still_alone:
        # It may have waited for long, and somebody may have changed the limit meanwhile.
        project.refresh_from_db()
        dropped = _drop(project, today)
        if project.history_stale is not None:
            moment = datetime.combine(project.history_stale, time.min, UTC)
            last = max(inventory.FIRST_DAY, day_of(moment, project.time_zone))
            rebuild_alone(project.pk, inventory.FIRST_DAY, last, still_alone=still_alone)
            project.history_stale = None
            project.save(update_fields=["history_stale"])
    return dropped


def _drop(project: Project, today: date) -> list[Month]:
    """Drop the months that are too old. Before the first one, note that it was begun."""
    first = _kept_from(project, today)
    due = history.months(project=project.pk, before=first) if first else []
    if not due or first is None:
        return []
    project.history_stale = max(first, project.history_stale or first)
    project.history_dropped = max(first, project.history_dropped or first)
    project.save(update_fields=["history_stale", "history_dropped"])
    _drop_hot(project.pk, first)
    for month in due:
        history.drop(month.first, project=project.pk)
        log.warning(
            "month_dropped",
            project=project.slug,
            month=f"{month.first:%Y-%m}",
            count=month.events,
        )
    return due


def drop_all() -> bool:
    """Drop what is too old of every project. Returns whether it could be done for each.

    One project that fails does not keep the others from it.
    """
    limited = Project.objects.filter(deleted_at=None)
    done = True
    for project in limited.exclude(history_days=None, history_from=None, history_stale=None):
        try:
            drop_history(project, today=datetime.now(UTC).date())
        except RepairRunning:
            done = False
        except Exception:
            log.exception("history_not_dropped", project=project.slug)
            done = False
    return done


def drop_soon() -> None:
    """Have a thread of this process do it. Returns at once."""
    _dropper.soon()


_dropper = BackgroundWork("history", drop_all, linger=0.0, longest_pause=60.0, patient=True)


def _kept_from(project: Project, today: date) -> date | None:
    """The first day of the first month that has a day of the project's history."""
    if project.history_days is None:
        return None
    return (today - timedelta(days=project.history_days)).replace(day=1)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _drop_hot(project: int, first: date) -> None:
    for day in hot.partition_days():
        if day < first:
            with connection.cursor() as cursor:
                sql = f"DELETE FROM {hot.partition_name(day)} WHERE project_id = %s"  # noqa: S608
                cursor.execute(sql, [project])
