"""The first events of users, by which a trend counts new ones."""

from datetime import date, timedelta

from analytics.queries import Query, load_filled
from analytics.segments.translating import Condition, Scope
from analytics.trends.buckets import key_of
from analytics.trends.sources import (
    FIRST_DAY,
    FIRSTS,
    RAW,
    Source,
    range_of,
    range_parameters,
    source_of,
    until_of,
)

_SINCE_MONDAY = "day BETWEEN {monday:Date} AND {end:Date}"


def source_of_firsts(scope: Scope, where: Condition, *, is_of_days: bool) -> Source:
    """The cheapest table: without a condition on events, that of all users."""
    if where.columns <= {"user_hash"}:
        return FIRSTS
    return source_of(scope, where, is_of_days=is_of_days, counts_users=True, columns={"event_type"})


def firsts(source: Source, segments: str, days: tuple[date, date], zone: str) -> Query:
    """SQL of the users whose first event of those that match is on some days, both included.

    The rows are user_hash, and its moment or day by the name that it has in the source.
    `segments` is SQL. Further conditions on the moment may stand behind.
    """
    start, end = days
    given = range_parameters(start, end, zone)
    texts = {
        "name": "occurred_at",
        "first": "occurred_at",
        "source": source.table,
        "segments": segments,
        "asked": until_of(source, zone),
        "not before": "1",
        "range": range_of(source, zone),
    }
    if source == FIRSTS:
        # Few users are new, so that few have to be grouped.
        some = load_filled("trend_first_rows", {"range": texts["range"]})
        texts |= {"first": "first_at", "asked": f"user_hash IN ({some})"}
    elif source != RAW:
        texts |= {"name": "day", "first": "day"}
        # Who came before the week of the first day is known from the weeks of users.
        monday = start - timedelta(days=start.weekday())
        if monday < FIRST_DAY:
            texts["not before"] = "max(day) < toDate(65535)"
        else:
            given |= {"monday": monday, "first_week": key_of("week", monday)}
            weeks = {"weeks": "weekly_users_by_type", "segments": segments, "starts": "1"}
            earlier = load_filled("cohort_earlier", weeks)
            texts["asked"] = f"{_SINCE_MONDAY} AND user_hash NOT IN ({earlier})"
    return Query(load_filled("trend_firsts", texts), given)
