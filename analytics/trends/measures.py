"""Measures: what a trend tells of each bucket, as SQL and as the number that is shown.

A number of a property is a JSON number, or a text that is one.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from analytics.segments.expressions import Field
from analytics.segments.numbers import NUMBER_SQL, WHOLE_SQL
from analytics.segments.parsing import parse_field
from analytics.segments.readers import Bind, reader
from analytics.trends.sources import Source

PERCENTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
ROLLING = {"users_7d": 7, "users_30d": 30}
OF_EVENTS = ("events", "users", *ROLLING)
OF_NUMBERS = ("sum", "avg", "min", "max", *PERCENTILES)
_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
# A sum adds millionths. Larger numbers are left out of it, and that is told.
LARGEST = "1e30"
_MILLION = 1_000_000
# Doubles from here on are whole numbers.
_WHOLE_FROM = "9007199254740992"


class Number(NamedTuple):
    """A measure of some events.

    `value` is None if there is none. `counted` says how many numbers it is of, and `left_out` how
    many were too large to be added; both are None for measures that are not of numbers.
    """

    value: int | float | Decimal | None
    counted: int | None = None
    left_out: int | None = None


@dataclass(frozen=True)
class Measure:
    """`name` is one of OF_EVENTS or OF_NUMBERS; `field` is the property of the latter."""

    name: str
    field: Field | None = None

    @property
    def nothing(self) -> Number:
        """The number of no events."""
        if self.field is None:
            return Number(0)
        if self.name in ("sum", "avg"):
            return Number(0 if self.name == "sum" else None, 0, 0)
        return Number(None, 0)


USERS = Measure("users")


def parse_measure(text: str) -> Measure:
    """A measure such as `users` or `sum(properties.amount)`. Raises ValueError."""
    if text in OF_EVENTS:
        return Measure(text)
    call = _CALL.fullmatch(text)
    if not call or call[1] not in OF_NUMBERS:
        named = ", ".join(OF_EVENTS)
        raise ValueError(f"must be {named}, or like sum(properties.amount) with {_or(OF_NUMBERS)}")
    field = parse_field(call[2])
    if not field.path:
        raise ValueError(f"{call[1]}(…) is of a property, such as properties.amount")
    return Measure(call[1], field)


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


class MeasureSQL(NamedTuple):
    """The columns that `reading` reads, and what puts values in order by the measure."""

    columns: str
    order: str


def measure_sql(measure: Measure, source: Source, bind: Bind) -> MeasureSQL:
    if measure.field is not None:
        return _of_numbers(measure, measure.field, bind)
    counted = source.events if measure.name == "events" else source.users
    return MeasureSQL(f"{counted} AS total", "total")


def _of_numbers(measure: Measure, field: Field, bind: Bind) -> MeasureSQL:
    double, millionths = _numbers(field, bind)
    if measure.name in ("sum", "avg"):
        count = f"count({millionths})"
        columns = f"toString(sum({millionths})), {count}, count({double}) - {count}"
        if measure.name == "sum":
            return MeasureSQL(columns, f"ifNull(sum({millionths}), 0)")
        return MeasureSQL(columns, f"toFloat64(sum({millionths})) / {count}")
    if measure.name in ("min", "max"):
        value = f"{measure.name}OrNull({double})"
    else:
        share = PERCENTILES[measure.name]
        value = f"quantileExactInclusiveOrNull({share})({double})"
    return MeasureSQL(f"{value} AS total, count({double})", "total")


def _numbers(field: Field, bind: Bind) -> tuple[str, str]:
    """SQL of the property as a double, and as millionths, which add up exactly.

    Both are NULL if it is no number. The millionths are NULL if it is too large to be added.
    """
    typed = reader(field, bind).typed
    text, integer, natural, double = map(typed, ("String", "Int64", "UInt64", "Float64"))
    of_text = f"if(match({text}, {NUMBER_SQL}), toFloat64OrNull({text}), NULL)"
    finite = f"if(isFinite({of_text}), {of_text}, NULL)"
    whole = f"if(match({text}, {WHOLE_SQL}), toInt256OrNull({text}), NULL)"
    as_double = f"coalesce(toFloat64({integer}), toFloat64({natural}), {double}, {finite})"
    as_whole = f"coalesce(toInt256({integer}), toInt256({natural}), {whole})"
    fraction = f"coalesce({double}, {finite})"
    millionths = (
        f"if(abs({as_double}) <= {LARGEST}, coalesce({as_whole} * {_MILLION},"
        f" if(abs({fraction}) < {_WHOLE_FROM}, toInt256(round({fraction} * {_MILLION})),"
        f" toInt256({fraction}) * {_MILLION})), NULL)"
    )
    return as_double, millionths


def reading(measure: Measure) -> Callable[[Sequence[Any]], Number]:
    """A function that makes a Number of the columns of a row."""
    if measure.field is None:
        return lambda row: Number(int(row[0]))
    if measure.name == "sum":
        return lambda row: Number(_decimal(int(row[0] or 0)), int(row[1]), int(row[2]))
    if measure.name == "avg":
        return lambda row: Number(_mean(int(row[0] or 0), int(row[1])), int(row[1]), int(row[2]))
    return lambda row: Number(row[0], int(row[1]))


def _decimal(millionths: int) -> int | Decimal:
    whole, rest = divmod(abs(millionths), _MILLION)
    if not rest:
        return millionths // _MILLION
    # Arithmetic with decimals would round it.
    return Decimal(f"{'-' * (millionths < 0)}{whole}.{rest:06}".rstrip("0"))


def _mean(millionths: int, count: int) -> float | None:
    return millionths / (count * _MILLION) if count else None
