"""What a report is: its parameters, its answer, and how both stand in the OpenAPI document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from analytics.parameters import Asked
from config.api.days import parse_day
from config.api.query_parameters import problem

MAX_DAYS = 36_600
_DATE = {"type": "string", "format": "date"}
Values = Mapping[str, Any]
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
    rows: Callable[[Any], Sequence[Row]]
    schema: Mapping[str, Any]
    example: Any
    # Checks values together, before anything is asked. Raises Problem.
    check: Callable[[Values], None] = lambda values: None

    @property
    def operation(self) -> str:
        return self.path.replace("-", "_")


def day(text: str) -> date:
    """A day from 1970-01-01 to 2099-12-31. Raises ValueError.

    No event is older than 1970, and ClickHouse's Date can't hold an older day.
    """
    found = parse_day(text)
    if not date(1970, 1, 1) <= found < date(2100, 1, 1):
        raise ValueError("must be from 1970-01-01 to 2099-12-31")
    return found


def of_day(name: str, description: str) -> Parameter:
    return Parameter(name, day, _DATE, description, is_required=True)


def of_number(
    name: str, parse: Callable[[str], int], bounds: tuple[int, int], default: int, about: str
) -> Parameter:
    least, most = bounds
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Parameter(name, parse, schema, about, default=default)


RANGE = (
    of_day("from", "First day, such as 2026-01-31."),
    of_day("to", "Last day, included."),
)


def check_range(values: Values) -> None:
    """Raises Problem if the range ends before it begins, or is too long."""
    days = (values["to"] - values["from"]).days
    if days < 0:
        raise problem([{"parameter": "from", "message": "from is after to"}])
    if days >= MAX_DAYS:
        message = f"a report has at most {MAX_DAYS} days"
        raise problem([{"parameter": "to", "message": message}])
