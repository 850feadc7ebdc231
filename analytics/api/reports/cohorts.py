"""Users by when they began, and how many of them came in each period after that."""

import time
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.conf import settings

from analytics.api.report import (
    RANGE,
    Parameter,
    People,
    Report,
    Values,
    check_days,
    of_choice,
    of_day,
    of_number,
)
from analytics.api.schemas.cohorts import EXAMPLE, SCHEMA
from analytics.cohorts.cohorts import (
    Average,
    Cohort,
    NoSuchCohort,
    NoSuchPeriod,
    Period,
    averages,
    cohorts,
    people,
)
from analytics.cohorts.question import COHORTS, MAX_PERIODS, MODES, UNITS, Question
from analytics.parameters import Asked, checked_segments
from analytics.queries import Query
from analytics.segments.expressions import ALL, Segments
from analytics.segments.parsing import PATTERN
from config.api.query_parameters import problem, whole_number
from config.memory import room

DEFAULT_PERIODS = 12
MAX_CELLS = 50_000
# Memory for one cell: as a row from ClickHouse, as objects and as CSV.
_CELL_BYTES = 1_300


def question_of(values: Values, asked: Asked) -> Question:
    """What the values of the parameters ask. Raises Problem, and ClickHouseError for patterns."""
    return Question(
        **asked,
        start=values["from"],
        end=values["to"],
        today=asked["zone"].today(),
        unit=values["unit"],
        cohort=values["cohort"],
        mode=values["mode"],
        periods=values["periods"],
        starting=_events("start", values, asked),
        returning=_events("return", values, asked),
        deadline=time.monotonic() + settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS,
    )


def _events(name: str, values: Values, asked: Asked) -> Segments:
    text = values[name]
    if text is None:
        return ALL
    return checked_segments([text], {}, project=asked["project"], parameter=name)


def _answer(values: Values, asked: Asked) -> list[dict[str, Any]]:
    question = question_of(values, asked)
    cells = len(question.cohorts()) * (question.periods + 1)
    if cells > MAX_CELLS:
        message = f"this asks for {cells:,} cells, and an answer has at most {MAX_CELLS:,}"
        raise problem([{"parameter": "to", "message": message}])
    room.need_for_answer(_CELL_BYTES * cells)
    found = cohorts(question)
    rows = [_shown(cohort) for cohort in found]
    return [*rows, _average(averages(found))] if rows else []


def _shown(cohort: Cohort) -> dict[str, Any]:
    return {
        "cohort": cohort.span.first,
        "users": cohort.users,
        "complete": cohort.is_complete,
        "periods": [_period(k, one) for k, one in enumerate(cohort.periods)],
    }


def _period(number: int, period: Period) -> dict[str, Any]:
    return {
        "period": number,
        "start": period.span.first,
        "end": period.span.last,
        "users": period.users,
        "rate": period.rate,
        "complete": period.is_complete,
    }


def _average(found: Sequence[Average]) -> dict[str, Any]:
    periods = [
        {"period": k, "of": one.of, "users": one.users, "rate": one.rate}
        for k, one in enumerate(found)
    ]
    return {"cohort": None, "users": found[0].users, "periods": periods}


_COLUMNS = ("cohort", "cohort_users", "period", "start", "end", "users", "rate", "complete")


def _rows(answer: list[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    return [
        {
            "cohort": row["cohort"],
            "cohort_users": period.get("of", row["users"]),
            "period": period["period"],
            "start": period.get("start"),
            "end": period.get("end"),
            "users": period["users"],
            "rate": period["rate"],
            "complete": period.get("complete"),
        }
        for row in answer
        for period in row["periods"]
    ]


def cell_of(question: Question, at: date, period: int, *, name: str) -> Query:
    """SQL of the users of a cell; `at` is the first day of its cohort.

    Raises Problem, where the parameter of the period is called `name`.
    """
    try:
        return people(question, cohort=at, period=period)
    except NoSuchCohort as error:
        raise problem([{"parameter": "at", "message": str(error)}]) from None
    except NoSuchPeriod as error:
        raise problem([{"parameter": name, "message": str(error)}]) from None


def _users(values: Values, asked: Asked) -> Query:
    return cell_of(question_of(values, asked), values["at"], values["period"], name="period")


_SEGMENT = {"type": "string", "pattern": f"^{PATTERN}$"}

REPORT = Report(
    path="cohorts",
    summary="Cohorts by day, week or month, and who came again",
    description=(
        "The cohorts that have users, oldest first, and behind them a row of averages, whose "
        "`cohort` is null: of the cohorts for which a period is complete. Empty without cohorts."
    ),
    parameters=(
        *RANGE,
        of_choice(
            "unit", UNITS, "What a cohort and a period are. Weeks begin on Monday.", default="day"
        ),
        of_choice(
            "cohort",
            COHORTS,
            "Who belongs to a cohort: who started in it for the first time ever, for the first "
            "time since `from`, or at all (`active`: a user may be in several).",
            default="first_ever",
        ),
        of_choice(
            "mode",
            MODES,
            "Whether a user counts in a period by an event in it, or in it or later.",
            default="on",
        ),
        Parameter(
            "start", str, _SEGMENT, "A segment: the events with which a user starts. Else all."
        ),
        Parameter(
            "return", str, _SEGMENT, "A segment: the events by which a user came again. Else all."
        ),
        of_number(
            "periods",
            whole_number(1, MAX_PERIODS),
            (1, MAX_PERIODS),
            DEFAULT_PERIODS,
            "The number of periods after the cohort's own.",
        ),
    ),
    check=check_days,
    people=People(
        "The users of a cohort who came in a period.",
        parameters=(
            of_day("at", "The first day of the cohort."),
            of_number(
                "period",
                whole_number(0, MAX_PERIODS),
                (0, MAX_PERIODS),
                0,
                "How many periods after the cohort's own.",
            ),
        ),
        users=_users,
    ),
    answer=_answer,
    rows=_rows,
    columns=lambda values: _COLUMNS,
    schema=SCHEMA,
    example=EXAMPLE,
)
