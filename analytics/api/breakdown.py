"""The parameters of reports that have a line for each of the first values of a field."""

from typing import NamedTuple

from analytics.api.report import Parameter, Values, of_choice, of_number
from analytics.breakdowns import RESTS, OfLine
from analytics.segments.expressions import Field
from analytics.segments.parsing import parse_field
from config.api.openapi import TEXT
from config.api.query_parameters import problem, whole_number

MAX_TOP, DEFAULT_TOP = 50, 10
# Which of the lines is meant, for a number of one of them.
LINES = (
    Parameter("value", str, TEXT, "With `by`: the value of the line that is meant."),
    of_choice(
        "line",
        RESTS,
        "With `by`: `unset` for the line without a value, `other` for that of all other values.",
    ),
)


class By(NamedTuple):
    """The field of a breakdown, and the text that names it."""

    text: str
    field: Field


def breakdown(about: str) -> tuple[Parameter, ...]:
    """The parameters `by` and `top`."""
    return (
        Parameter("by", _parse, TEXT, f"`event_type` or such as `properties.country`. {about}"),
        of_number(
            "top", whole_number(1, MAX_TOP), (1, MAX_TOP), DEFAULT_TOP, "How many values of `by`."
        ),
    )


def line_of(values: Values) -> OfLine:
    return OfLine(values["value"], values["line"])


def check_line(values: Values) -> None:
    """Raises Problem unless `value` and `line` name one line of a breakdown, or none."""
    for name in ("value", "line"):
        if values[name] is not None and not values["by"]:
            raise problem([{"parameter": name, "message": "is of a breakdown; there is no by"}])
    if values["value"] is not None and values["line"]:
        raise problem([{"parameter": "line", "message": "takes no value beside it"}])


def field_of(values: Values) -> Field | None:
    """The field of a breakdown, if there is one."""
    by: By | None = values["by"]
    return by.field if by else None


def _parse(text: str) -> By:
    field = parse_field(text)
    if field.name == "user_id":
        raise ValueError("must be event_type, or a property such as properties.country")
    return By(text, field)
