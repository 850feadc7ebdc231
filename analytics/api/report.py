"""What a report is: its parameters, its answer, and how both stand in the OpenAPI document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from analytics.parameters import Asked, check_range, report_day
from analytics.queries import Query
from config.api.query_parameters import problem

_DATE = {"type": "string", "format": "date"}
Values = Mapping[str, Any]
# What makes most reports cheaper; the end of the sentence says which setting gives them more.
ADVICE = "Ask for fewer days, leave out segments on properties"
# One row of the answer as CSV: a value by the name of its column.
Row = Mapping[str, Any]


class Parameter(NamedTuple):
    """`parse` raises ValueError with what is wrong. `schema` is that of OpenAPI."""

    name: str
    parse: Callable[[str], Any]
    schema: Mapping[str, Any]
    description: str = ""
    is_required: bool = False
    default: Any = None
    is_list: bool = False


@dataclass(frozen=True)
class People:
    """The people behind a number of a report, at `/stats/{path}/users`.

    `parameters` come after those of the report, and say which number is meant. `users` gives SQL of
    the `user_hash` of each of them, once or more often; it raises ClickHouseError and Problem.
    """

    description: str
    parameters: Sequence[Parameter]
    users: Callable[[Values, Asked], Query]
    # Checks values together, after those of the report. Raises Problem.
    check: Callable[[Values], None] = lambda values: None


@dataclass(frozen=True)
class Report:
    """A report at `/stats/{path}`.

    `answer` gets the values of the parameters, and what every report is asked. It returns what
    becomes JSON, and raises ClickHouseError and Problem. `rows` makes a table of it. `schema` is
    that of the answer.
    """

    path: str
    summary: str
    description: str
    parameters: Sequence[Parameter]
    answer: Callable[[Values, Asked], Any]
    schema: Mapping[str, Any]
    example: Any
    # An answer that is a list of rows is the table already.
    rows: Callable[[Any], Sequence[Row]] = lambda answer: answer
    # The columns of a table that may have no rows.
    columns: Callable[[Values], Sequence[str]] = lambda values: ()
    # What clients that are made of the document call it; without it, as its address.
    name: str = ""
    # Checks values together, before anything is asked. Raises Problem.
    check: Callable[[Values], None] = lambda values: None
    people: People | None = None
    advice: str = ADVICE

    @property
    def operation(self) -> str:
        return self.name or self.path.replace("-", "_")


def of_day(name: str, description: str) -> Parameter:
    return Parameter(name, report_day, _DATE, description, is_required=True)


def of_number(
    name: str, parse: Callable[[str], int], bounds: tuple[int, int], default: int, about: str
) -> Parameter:
    least, most = bounds
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Parameter(name, parse, schema, about, default=default)


def of_choice(
    name: str, choices: Sequence[str], description: str = "", *, default: str | None = None
) -> Parameter:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be {', '.join(choices[:-1])} or {choices[-1]}")
        return text

    schema = {"type": "string", "enum": [*choices]}
    return Parameter(name, parse, schema, description, default=default)


RANGE = (
    of_day("from", "First day, such as 2026-01-31."),
    of_day("to", "Last day, included."),
)


AT = Parameter("at", report_day, _DATE, "The day that is meant; without it all days of the range.")


def check_at(values: Values) -> None:
    """Raises Problem if the day that is meant is not in the range."""
    if values["at"] and not values["from"] <= values["at"] <= values["to"]:
        raise problem([{"parameter": "at", "message": "is not in the range"}])


def check_days(values: Values) -> None:
    """Raises Problem if the range ends before it begins, or is too long."""
    check_range(values["from"], values["to"])
