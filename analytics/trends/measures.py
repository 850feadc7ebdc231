"""Measures: what a trend tells of each bucket, as SQL and as the number that is shown.

A number of a property is a JSON number, or a text that is one.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from analytics.segments.expressions import Field
from analytics.segments.numbers import WHOLE_SQL, double_in
from analytics.segments.parsing import parse_field
from analytics.segments.readers import Bind, reader
from analytics.trends.sources import Source

PERCENTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
ROLLING = {"users_7d": 7, "users_30d": 30}
# Users whose first event of all is in a bucket.
NEW = "new_users"
OF_EVENTS = ("events", "users", *ROLLING, NEW)
OF_NUMBERS = ("sum", "avg", "min", "max", *PERCENTILES)
_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
# A sum adds millionths. Larger numbers are left out of it, and that is told.
LARGEST = "1e30"
_MILLION = 1_000_000
# Doubles from here on are whole numbers.
_WHOLE_FROM = "9007199254740992"
# The millionths of doubles below this are doubles too. Beyond it, the whole part and the fraction
# have to be multiplied each by itself.
_SMALL = "9007199254"
# Digits behind the point of a text that are looked at; as many as leave room for LARGEST.
_DIGITS = 30


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
    """SQL of a measure: the states of a bucket, the columns that `reading` reads of merged states,
    and what puts values in order by the measure.
    """

    states: str
    merged: str
    order: str


def measure_sql(measure: Measure, source: Source, bind: Bind) -> MeasureSQL:
    if measure.field is not None:
        return _of_numbers(measure, measure.field, bind)
    if measure.name == "events":
        return MeasureSQL(f"{source.events} AS n", "sum(n)", source.events)
    return MeasureSQL(
        "uniqExactState(user_hash) AS users", "uniqExactMerge(users)", "uniqExact(user_hash)"
    )


def _of_numbers(measure: Measure, field: Field, bind: Bind) -> MeasureSQL:
    numbers = numbers_of(field, bind)
    double = numbers.double
    if measure.name in ("sum", "avg"):
        return _of_sums(measure.name, numbers)
    counted = f"count({double}) AS counted"
    if measure.name in ("min", "max"):
        of = f"{measure.name}OrNull"
        return MeasureSQL(
            f"{of}({double}) AS value_, {counted}", f"{of}(value_), sum(counted)", f"{of}({double})"
        )
    share = PERCENTILES[measure.name]
    return MeasureSQL(
        f"quantileExactInclusiveState({share})({double}) AS value_, {counted}",
        f"if(sum(counted) = 0, NULL, quantileExactInclusiveMerge({share})(value_)), sum(counted)",
        f"quantileExactInclusiveOrNull({share})({double})",
    )


def _of_sums(name: str, numbers: "Numbers") -> MeasureSQL:
    added = [f"sum({one.millionths})" for one in numbers.added]
    count = " + ".join(one.counted for one in numbers.added)
    states = ", ".join(f"{one} AS added_{place}" for place, one in enumerate(added))
    total = " + ".join(f"ifNull(toInt256(sum(added_{place})), 0)" for place in range(len(added)))
    total_of_rows = " + ".join(f"ifNull(toInt256({one}), 0)" for one in added)
    return MeasureSQL(
        f"{states}, {count} AS counted, count({numbers.double}) AS all_",
        f"toString({total}), sum(counted), sum(all_ - counted)",
        total_of_rows
        if name == "sum"
        else f"if(({count}) = 0, NULL, toFloat64({total_of_rows}) / ({count}))",
    )


class _Added(NamedTuple):
    """SQL of the millionths of some numbers, which add up exactly, and of their count."""

    millionths: str
    counted: str


class Numbers(NamedTuple):
    """SQL of the numbers of a property: as a double, NULL where there is none, and as millionths.

    A number has its millionths in one of `added`; one beyond LARGEST has none.
    """

    double: str
    added: Sequence[_Added]


def numbers_of(field: Field, bind: Bind) -> Numbers:
    """The numbers of a property in SQL.

    Most numbers need one cast; only texts and large doubles need 256 bits and a closer look.

    A cast fails for what is no whole number, even where its result is not used. So there it gets 0.
    """
    typed = reader(field, bind).typed
    text, integer, natural, double = map(typed, ("String", "Int64", "UInt64", "Float64"))
    finite = double_in(text)
    is_small = f"ifNull(abs({double}) < {_SMALL}, 0)"
    closer = _millionths(text, f"ifNull({double}, {finite})")
    large = f"if(isNotNull({text}) OR abs({double}) >= {_SMALL}, {closer}, NULL)"
    small = f"round(if({is_small}, assumeNotNull({double}), 0) * {_MILLION})"
    return Numbers(
        double=(
            f"multiIf(isNotNull({integer}), toFloat64({integer}), isNotNull({double}), {double},"
            f" isNotNull({natural}), toFloat64({natural}), {finite})"
        ),
        added=[
            _Added(f"toInt128({integer}) * {_MILLION}", f"count({integer})"),
            _Added(f"toInt128({natural}) * {_MILLION}", f"count({natural})"),
            _Added(f"toInt128({small})", f"countIf({is_small})"),
            _Added(large, f"count({large})"),
        ],
    )


def _millionths(text: str, double: str) -> str:
    """SQL of the millionths of a number of any size, as 256 bits, for a text or a double."""
    is_addable = f"ifNull(abs({double}) <= {LARGEST}, 0)"
    addable = f"if({is_addable}, assumeNotNull({double}), 0)"
    is_small = f"abs({addable}) < {_SMALL}"
    small = f"toInt256(round(if({is_small}, {addable}, 0) * {_MILLION}))"
    # NULL for a text whose exponent is too far from 0. Rounds like `round` of doubles.
    decimal = f"toDecimal256OrNull({text}, {_DIGITS})"
    of_text = f"toInt256(roundBankers({decimal} * {_MILLION}))"
    # toInt256 of a double has wrong digits from 2^65 on. Two halves are exact.
    high = f"trunc({addable} / {_WHOLE_FROM})"
    low = f"({addable} - {high} * {_WHOLE_FROM})"
    whole = f"toInt256(toInt64({high})) * {_WHOLE_FROM} + toInt64(trunc({low}))"
    fraction = f"toInt64(round(({low} - trunc({low})) * {_MILLION}))"
    return (
        f"multiIf(NOT {is_addable}, NULL,"
        f" isNotNull({text}) AND match(assumeNotNull({text}), {WHOLE_SQL}),"
        f" toInt256OrNull({text}) * {_MILLION}, {is_small}, {small},"
        f" ifNull({of_text}, ({whole}) * {_MILLION} + {fraction}))"
    )


def reading(measure: Measure) -> Callable[[Sequence[Any]], Number]:
    """A function that makes a Number of the columns of a row."""
    if measure.field is None:
        return lambda row: Number(int(row[0]))
    if measure.name == "sum":
        return lambda row: Number(_decimal(int(row[0])), int(row[1]), int(row[2]))
    if measure.name == "avg":
        return lambda row: Number(_mean(int(row[0]), int(row[1])), int(row[1]), int(row[2]))
    return lambda row: Number(_double(row[0]), int(row[1]))


def _decimal(millionths: int) -> int | Decimal:
    whole, rest = divmod(abs(millionths), _MILLION)
    if not rest:
        return millionths // _MILLION
    # Arithmetic with decimals would round it.
    return Decimal(f"{'-' * (millionths < 0)}{whole}.{rest:06}".rstrip("0"))


def _double(number: int | float | None) -> int | float | None:
    """ClickHouse writes a large double as a whole number whose last digits are not the double's."""
    return number if number is None or abs(number) < int(_WHOLE_FROM) else float(number)


def _mean(millionths: int, count: int) -> float | None:
    return millionths / (count * _MILLION) if count else None
