"""A measure in each hour, day, week or month: by series, by values of a field, and compared."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from analytics.api.breakdown import LINES, breakdown, check_line, field_of, line_of
from analytics.api.report import RANGE, Parameter, People, Report, Values, check_days, of_choice
from analytics.api.schemas.trends import EXAMPLE, SCHEMA
from analytics.parameters import Asked, checked_segments
from analytics.queries import Query
from analytics.segments.parsing import PATTERN
from analytics.trends.buckets import UNITS, TooMany, buckets
from analytics.trends.measures import NEW, OF_EVENTS, OF_NUMBERS, ROLLING, Number, parse_measure
from analytics.trends.people import Cell, NoSuchBucket, people
from analytics.trends.question import COMPARES, Question
from analytics.trends.trends import BeforeAllEvents, Line, Period, trend
from config.api.openapi import TEXT
from config.api.query_parameters import problem
from config.memory import room

MAX_SERIES = 10
MAX_POINTS = 50_000
# Memory for one point: as a row from ClickHouse, as objects and as JSON.
_POINT_BYTES = 1_200
# The longest value of a property, as a row and in the answer, for both periods.
_VALUE_BYTES = 4 * 64 * 1024


def _check(values: Values) -> None:
    check_days(values)
    if values["unit"] == "hour" and values["measure"].name in ROLLING:
        message = f"{values['measure'].name} is of days; it has no hours"
        raise problem([{"parameter": "unit", "message": message}])
    if values["by"] and values["measure"].name == NEW:
        message = f"{NEW} counts users and no values; leave it out"
        raise problem([{"parameter": "by", "message": message}])
    series = len(values["series"])
    if series > MAX_SERIES:
        message = f"at most {MAX_SERIES} series are allowed"
        raise problem([{"parameter": "series", "message": message}])
    if values["by"] and series > 1:
        message = "a breakdown is of one series; leave the others out"
        raise problem([{"parameter": "by", "message": message}])


def _answer(values: Values, asked: Asked) -> dict[str, Any]:
    question = _question(values, asked)
    with _refusals():
        _need_room(question)
        found = trend(question)
    answer = {"unit": question.unit, "tz": question.zone.name, **_period(found.main)}
    if values["by"]:
        answer["by"] = values["by"].text
    if found.compared:
        answer["compare"] = _period(found.compared)
    return answer


def _question(values: Values, asked: Asked) -> Question:
    return Question(
        **asked,
        start=values["from"],
        end=values["to"],
        now=datetime.now(UTC),
        unit=values["unit"],
        measure=values["measure"],
        series=_series(values, asked),
        by=field_of(values),
        top=values["top"],
        compare=values["compare"],
        deadline=time.monotonic() + settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS,
    )


@contextmanager
def _refusals() -> Iterator[None]:
    """Makes Problem of what is wrong with a question."""
    try:
        yield
    except TooMany as error:
        raise problem([{"parameter": "to", "message": str(error)}]) from None
    except BeforeAllEvents as error:
        raise problem([{"parameter": "compare", "message": str(error)}]) from None
    except NoSuchBucket as error:
        raise problem([{"parameter": "at", "message": str(error)}]) from None


def _users(values: Values, asked: Asked) -> Query:
    cell = Cell(values["at"], values["period"] == "compared", line_of(values))
    with _refusals():
        return people(_question(values, asked), cell)


def _check_cell(values: Values) -> None:
    check_line(values)
    if len(values["series"]) > 1:
        message = "the people are of one series; leave the others out"
        raise problem([{"parameter": "series", "message": message}])
    if values["period"] == "compared" and not values["compare"]:
        raise problem([{"parameter": "period", "message": "nothing is compared; add compare"}])


def _series(values: Values, asked: Asked) -> Sequence[tuple[str | None, Any]]:
    texts: list[str] = values["series"]
    found = [
        (text, checked_segments([text], {}, project=asked["project"], parameter="series"))
        for text in texts
    ]
    return found or [(None, checked_segments([], {}, project=asked["project"]))]


def _need_room(question: Question) -> None:
    """Raises TooMany, Problem, and room.NoRoom."""
    each = len(buckets(question.unit, question.start, question.end, question.zone.name))
    lines = len(question.series) * (question.top + 2 if question.by else 1)
    points = each * lines * (2 if question.compare else 1)
    if points > MAX_POINTS:
        message = f"this asks for {points:,} points, and an answer has at most {MAX_POINTS:,}"
        raise problem([{"parameter": "to", "message": message}])
    names = _VALUE_BYTES * lines if question.by else 0
    room.need_for_answer(_POINT_BYTES * points + names)


def _period(period: Period) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "from": period.start,
        "to": period.end,
        "series": [_line(line) for line in period.lines if not line.is_other],
    }
    for line in period.lines:
        if line.is_other:
            shown["other"] = _line(line)
    return shown


def _line(line: Line) -> dict[str, Any]:
    total = _number(line.total)
    return {
        "series": line.series,
        **({} if line.is_other else {"value": line.value}),
        "total": total.pop("value"),
        **total,
        "points": [
            {
                "start": point.bucket.start,
                "end": point.bucket.end,
                **_number(point.number),
                "complete": point.is_complete,
            }
            for point in line.points
        ],
    }


def _number(number: Number) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": number.value}
    if number.counted is not None:
        shown["values"] = number.counted
    if number.left_out:
        shown["left_out"] = number.left_out
    return shown


_COLUMNS = (
    *("period", "series", "value_of", "kind", "start", "end", "complete"),
    *("value", "values", "left_out"),
)


def _rows(answer: dict[str, Any]) -> Sequence[dict[str, Any]]:
    by = "by" in answer
    rows = _rows_of(answer, "main", by=by)
    return rows + _rows_of(answer["compare"], "compared", by=by) if "compare" in answer else rows


def _rows_of(period: dict[str, Any], name: str, *, by: bool) -> list[dict[str, Any]]:
    lines = [(line, False) for line in period["series"]]
    if "other" in period:
        lines.append((period["other"], True))
    return [
        {
            "period": name,
            "series": line["series"],
            "value_of": line.get("value"),
            "kind": _kind(line, is_other=is_other) if by else "",
            "start": point["start"],
            "end": point["end"],
            "complete": point["complete"],
            "value": point["value"],
            "values": point.get("values"),
            "left_out": point.get("left_out"),
        }
        for line, is_other in lines
        for point in line["points"]
    ]


def _kind(line: dict[str, Any], *, is_other: bool) -> str:
    """Tells lines without a value apart, which have an empty cell."""
    if is_other:
        return "all other values"
    return "" if line["value"] is not None else "no value"


REPORT = Report(
    path="trends",
    summary="A measure in each hour, day, week or month",
    description=(
        "Every bucket of the range. `other` has all values of the field but the first ones. "
        "`compare` has the same lines in the period that the range is compared with."
    ),
    parameters=(
        *RANGE,
        of_choice("unit", UNITS, default="day"),
        Parameter(
            "measure",
            parse_measure,
            {
                "type": "string",
                "pattern": rf"^(?:{'|'.join(OF_EVENTS)}|(?:{'|'.join(OF_NUMBERS)})\([\s\S]+\))$",
            },
            "`events`, `users`, `users_7d`, `users_30d` (in the 7 or 30 days that end with it), "
            "`new_users` (whose first event of all that match is in it), "
            "or `sum(properties.amount)` and so on, with `avg`, `min`, `max`, "
            "`p50`, `p75`, `p90`, `p95`, `p99`.",
            default="users",
        ),
        Parameter(
            "series",
            str,
            {"type": "string", "pattern": f"^{PATTERN}$"},
            f"A segment that a line is of. At most {MAX_SERIES}.",
            default=[],
            is_list=True,
        ),
        *breakdown("One line for each of its first values."),
        of_choice(
            "compare",
            COMPARES,
            "`previous`: the days before the range, as many. `year`: the same days a year before.",
        ),
    ),
    check=_check,
    people=People(
        "The users with an event that a number is of. Of a measure of numbers, these are the "
        "events that have one.",
        parameters=(
            Parameter(
                "at", str, TEXT, "The `start` of the point that is meant; without it the total."
            ),
            of_choice(
                "period",
                ("main", "compared"),
                "`compared`: the period that the range is compared with.",
                default="main",
            ),
            *LINES,
        ),
        users=_users,
        check=_check_cell,
    ),
    answer=_answer,
    rows=_rows,
    columns=lambda values: _COLUMNS,
    schema=SCHEMA,
    example=EXAMPLE,
)
