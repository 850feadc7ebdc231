"""Weekly retention by cohort."""

from typing import Any

from analytics import reports
from analytics.api.report import People, Report, Values, of_day, of_number
from analytics.api.reports.cohorts import cell_of
from analytics.cohorts.question import Question
from analytics.parameters import Asked
from analytics.queries import Query
from config.api.openapi import COUNT, record
from config.api.query_parameters import whole_number
from config.memory import room

DEFAULT_WINDOWS = 3
# Memory for one window: as a row from ClickHouse, as objects and as JSON.
_WINDOW_BYTES = 300


def _answer(values: Values, asked: Asked) -> list[dict[str, Any]]:
    start, windows = values["start_date"], values["windows"]
    today = asked["zone"].today()
    weeks = max(0, (today - start).days // 7 + 1)
    room.need_for_answer(_WINDOW_BYTES * weeks * (windows + 1))
    rows = reports.retention(**asked, start=start, windows=windows, today=today)
    return [_shown(cohort) for cohort in rows]


def _shown(cohort: reports.Cohort) -> dict[str, Any]:
    weeks = {f"week_{k}": share for k, share in enumerate(cohort.returned, start=1)}
    return {"cohort_week": cohort.monday, "week_0": cohort.size, **weeks}


def _users(values: Values, asked: Asked) -> Query:
    today = asked["zone"].today()
    question = Question(
        **asked,
        start=values["start_date"],
        end=today,
        today=today,
        unit="week",
        periods=values["windows"],
    )
    return cell_of(question, values["at"], values["week"], name="week")


REPORT = Report(
    path="retention",
    summary="Weekly retention by cohort",
    description="`week_0` is the number of users in the cohort. `week_k` is the percentage of them "
    "that came k weeks later; null if that week has not begun.",
    parameters=(
        of_day(
            "start_date",
            "Such as 2026-01-31. The first cohort is the first week that begins on or after it.",
        ),
        of_number(
            "windows",
            whole_number(1, reports.MAX_WINDOWS),
            (1, reports.MAX_WINDOWS),
            DEFAULT_WINDOWS,
            "The number of weeks after the week of the cohort.",
        ),
    ),
    people=People(
        "The users of a cohort who came in a week.",
        parameters=(
            of_day("at", "The `cohort_week` that is meant."),
            of_number(
                "week",
                whole_number(0, reports.MAX_WINDOWS),
                (0, reports.MAX_WINDOWS),
                0,
                "How many weeks after that of the cohort.",
            ),
        ),
        users=_users,
    ),
    answer=_answer,
    columns=lambda values: ("cohort_week", *(f"week_{k}" for k in range(values["windows"] + 1))),
    schema={
        "type": "array",
        "items": record(
            "Cohort",
            {"cohort_week": {"type": "string", "format": "date"}, "week_0": COUNT},
            description="There is one more field for each week after it: `week_1`, `week_2` and "
            "so on.",
            additionalProperties={"type": "number", "nullable": True},
        ),
    },
    example=[
        {
            "cohort_week": "2025-01-06",
            "week_0": 1000,
            "week_1": 45.5,
            "week_2": 32.1,
            "week_3": None,
        }
    ],
)
