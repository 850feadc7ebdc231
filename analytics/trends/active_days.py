"""On how many days users came (stickiness)."""

from datetime import date
from typing import NamedTuple

from analytics.asking import ask
from analytics.queries import Query, load_filled
from analytics.segments.expressions import Segments
from analytics.segments.translating import Scope, condition
from analytics.trends.sources import range_of, range_parameters, source_of
from analytics.zones import Zone


class ActiveDays(NamedTuple):
    """How many users came on exactly so many days."""

    days: int
    users: int


def active_days(
    *, project: int, zone: Zone, start: date, end: date, segments: Segments
) -> list[ActiveDays]:
    """Every number of days from 1 to that of the range; 0 where there is no such user.

    Raises ClickHouseError.
    """
    of_users = _days_of_users(zone, start, end, segments)
    sql = load_filled("active_days", {"users": of_users.sql})
    rows = ask("active_days", sql, project=project, parameters=of_users.parameters)
    users = {int(days): int(count) for days, count in rows}
    return [ActiveDays(n, users.get(n, 0)) for n in range(1, (end - start).days + 2)]


def people(
    *, project: int, zone: Zone, start: date, end: date, segments: Segments, days: int | None
) -> Query:
    """SQL of the user_hash of everybody who came on so many days; None: on any."""
    of_users = _days_of_users(zone, start, end, segments)
    sql = load_filled("active_days_users", {"users": of_users.sql})
    return Query(sql, {**of_users.parameters, "days": days or 0})


def _days_of_users(zone: Zone, start: date, end: date, segments: Segments) -> Query:
    scope = Scope(zone.name, end, zone.is_rolled_up)
    where = condition(segments, scope)
    source = source_of(scope, where, is_of_days=True, counts_users=True, columns=set())
    texts = {
        # A row of daily_users is a user's day.
        "days": "count()" if source.is_of_users else f"uniqExact({source.day})",
        "source": f"{source.table} FINAL" if source.is_of_users else source.table,
        "range": range_of(source, zone.name),
        "segments": where.sql,
    }
    given = {"tz": zone.name, **where.parameters, **range_parameters(start, end, zone.name)}
    return Query(load_filled("days_of_users", texts), given)
