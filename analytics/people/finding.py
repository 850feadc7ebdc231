"""Finds people: by the beginning of their id, and by what they did."""

from datetime import date

from analytics.people.listing import Cursor, People, everyone, people_of
from analytics.queries import Query, load_filled
from analytics.segments.expressions import Segments
from analytics.segments.translating import Scope, condition
from analytics.trends.sources import range_of, range_parameters, source_of, until_of
from analytics.zones import Zone


def search(
    *,
    project: int,
    zone: Zone,
    segments: Segments,
    start: date | None,
    end: date | None,
    prefix: str,
    limit: int,
    cursor: Cursor | None,
) -> People:
    """A page of the people with an event that matches, on the days from `start` to `end`.

    Both days are included and may be left out: all days until today. The windows of segments end
    with the last day. Without segments and days, all people are found, also those whose events are
    dated in the future. Raises ClickHouseError.
    """
    if not segments and start is None and end is None:
        return everyone(project=project, limit=limit, cursor=cursor, prefix=prefix)
    last = end or zone.today()
    found = active(zone, segments, (start, last), last)
    return people_of(
        found.sql, found.parameters, project=project, limit=limit, cursor=cursor, prefix=prefix
    )


def active(zone: Zone, segments: Segments, days: tuple[date | None, date], last: date) -> Query:
    """SQL of the user_hash of everybody with an event that matches on these days, both included.

    Without a first day they are all days until then. The windows of segments end with `last`.
    """
    start, end = days
    scope = Scope(zone.name, last, zone.is_rolled_up)
    where = condition(segments, scope)
    source = source_of(scope, where, is_of_days=True, counts_users=True, columns=set())
    texts = {
        "source": source.table,
        "range": range_of(source, zone.name) if start else until_of(source, zone.name),
        "segments": where.sql,
    }
    given = {"tz": zone.name, **where.parameters, **range_parameters(start or end, end, zone.name)}
    return Query(load_filled("people_active", texts), given)
