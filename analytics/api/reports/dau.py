"""Daily active users."""

from typing import Any

from analytics import reports
from analytics.api.report import AT, RANGE, People, Report, Values, check_at, check_days
from analytics.parameters import Asked
from analytics.people.finding import active
from analytics.queries import Query
from config.api.openapi import COUNT, record
from config.memory import room

# Memory for one day: as a row from ClickHouse, as objects and as JSON.
_DAY_BYTES = 700


def _answer(values: Values, asked: Asked) -> list[dict[str, Any]]:
    start, end = values["from"], values["to"]
    room.need_for_answer(_DAY_BYTES * (end - start).days)
    rows = reports.daily_active_users(**asked, start=start, end=end)
    return [{"date": row.day, "unique_users": row.unique_users} for row in rows]


def _users(values: Values, asked: Asked) -> Query:
    start, end, at = values["from"], values["to"], values["at"]
    return active(asked["zone"], asked["segments"], (at or start, at or end), end)


REPORT = Report(
    path="dau",
    name="daily_active_users",
    summary="Unique users of each day",
    description="Every day of the range, oldest first.",
    parameters=RANGE,
    check=check_days,
    people=People("The users of a day.", parameters=(AT,), users=_users, check=check_at),
    answer=_answer,
    schema={
        "type": "array",
        "items": record(
            "DailyUsers", {"date": {"type": "string", "format": "date"}, "unique_users": COUNT}
        ),
    },
    example=[{"date": "2025-01-01", "unique_users": 1523}],
)
