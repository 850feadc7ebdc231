"""On how many days users came."""

from collections.abc import Sequence
from typing import Any

from analytics.api.report import RANGE, Parameter, People, Report, Values, check_days
from analytics.parameters import MAX_DAYS, Asked
from analytics.queries import Query
from analytics.trends.active_days import active_days, people
from config.api.openapi import COUNT, record
from config.api.query_parameters import whole_number
from config.memory import room

# Memory for one row: from ClickHouse, as objects and as JSON.
_ROW_BYTES = 700


def _answer(values: Values, asked: Asked) -> dict[str, Any]:
    start, end = values["from"], values["to"]
    room.need_for_answer(_ROW_BYTES * (end - start).days)
    rows = active_days(**asked, start=start, end=end)
    return {
        "users": sum(row.users for row in rows),
        "days": [{"days": row.days, "users": row.users} for row in rows],
    }


def _rows(answer: dict[str, Any]) -> Sequence[dict[str, Any]]:
    days: list[dict[str, Any]] = answer["days"]
    return days


def _users(values: Values, asked: Asked) -> Query:
    return people(**asked, start=values["from"], end=values["to"], days=values["days"])


REPORT = Report(
    path="active-days",
    summary="Users by the number of days on which they came",
    description="Every number of days from 1 to that of the range. `users` counts all of them.",
    parameters=RANGE,
    check=check_days,
    people=People(
        "The users who came on exactly so many days.",
        parameters=(
            Parameter(
                "days",
                whole_number(1, MAX_DAYS),
                {"type": "integer", "minimum": 1, "maximum": MAX_DAYS},
                "The number of days that is meant; without it any.",
            ),
        ),
        users=_users,
    ),
    answer=_answer,
    rows=_rows,
    schema=record(
        "ActiveDays",
        {
            "users": COUNT,
            "days": {
                "type": "array",
                "items": record("UsersOfActiveDays", {"days": COUNT, "users": COUNT}),
            },
        },
    ),
    example={"users": 50, "days": [{"days": 1, "users": 40}, {"days": 2, "users": 10}]},
)
