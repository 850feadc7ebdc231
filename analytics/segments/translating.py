"""Turns segments into a condition in SQL. All that comes from outside is bound as a parameter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR
from functools import partial
from typing import NamedTuple

from analytics.clickhouse import Identifier
from analytics.queries import load
from analytics.segments import columns
from analytics.segments.expressions import Comparison, Did, Saved, Segments, Term
from analytics.segments.numbers import WHOLE_SQL, double_in, exact, is_number
from analytics.segments.readers import Bind, Reader, reader
from analytics.zones import BEFORE_FIRST, bounds

_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_TEXTS = {
    "contains": "position({text}, {value}) > 0",
    # positionCaseInsensitiveUTF8 is faster, but misses the two small forms of the Greek sigma.
    "icontains": "position(caseFoldUTF8({text}), caseFoldUTF8({value})) > 0",
    "match": "match({text}, {value})",
}
_IN_A_NUMBER = frozenset("0123456789.e+-")
# A whole number in a text is compared as one of 128 bits, any other as a double.
_MOST = 10**38
_FIRST_DAY = date(1970, 1, 1)


class Scope(NamedTuple):
    """What a report tells of itself: the zone of its days, and the last of them.

    `is_rolled_up` says whether the rollups have days of that zone now.
    """

    zone: str
    last: date
    is_rolled_up: bool


@dataclass(frozen=True)
class Condition:
    """SQL that is true for matching events, and its parameters. For others it is false or NULL.

    `columns` are those of `events` that it reads.
    """

    sql: str
    parameters: dict[str, object]
    columns: frozenset[str]


def condition(segments: Segments, scope: Scope, *, prefix: str = "segment") -> Condition:
    """One condition for all segments; without segments it is always true.

    Saved segments must be in their places already. The names of parameters begin with `prefix`, so
    that a query can have several conditions.
    """
    translation = _Translation(scope, prefix)
    sql = translation.all_of(segments)
    return Condition(sql, translation.parameters, frozenset(translation.columns))


class _Translation:
    """What was translated so far. The names of each condition's parameters begin with its own."""

    def __init__(self, scope: Scope, prefix: str) -> None:
        self.parameters: dict[str, object] = {}
        self.columns: set[str] = set()
        self._scope = scope
        self._prefix = prefix
        self._count = 0

    def all_of(self, segments: Segments) -> str:
        groups = (" OR ".join(f"({self._term(it)})" for it in group) for group in segments.groups)
        return " AND ".join(f"({group})" for group in groups) or "1"

    def _term(self, term: Term) -> str:
        if isinstance(term, Segments):
            return self.all_of(term)
        if isinstance(term, Saved):
            raise TypeError(f"saved({term.name}) is not in its place")
        self._count += 1
        name = f"{self._prefix}_{self._count}"
        if isinstance(term, Did):
            self.columns.add("user_hash")
            sql = self._did(term, name)
        else:
            self.columns.add(term.field.name)
            sql = _compare(term, partial(self._bind, name))
        # A comparison with a property that an event has not is NULL.
        return f"NOT ifNull(({sql}), 0)" if term.negated else sql

    def _bind(self, name: str, key: str, type_name: str, value: object) -> str:
        self.parameters[f"{name}_{key}"] = value
        return f"{{{name}_{key}:{type_name}}}"

    def _did(self, did: Did, name: str) -> str:
        zone, last, is_rolled_up = self._scope
        since = last - timedelta(days=did.days - 1) if did.days else date.min
        first = max(since, _FIRST_DAY)
        before = BEFORE_FIRST if since < _FIRST_DAY else last
        given = {"type": did.event_type, "first": first, "last": last, "before": before}
        if is_rolled_up and did.times == 1:
            sql = load("did")
        else:
            sql = load("did_often")
            given |= {"tz": zone, "times": did.times, **bounds(first, last, zone)}
        self.parameters |= {f"{name}_{key}": value for key, value in given.items()}
        return f"user_hash IN ({sql.replace('{', f'{{{name}_')})"


def _compare(comparison: Comparison, bind: Bind) -> str:
    if comparison.field.column and comparison.operator in columns.ANSWERED:
        return _by_column(comparison, bind)
    found = reader(comparison.field, bind)
    if comparison.operator == "set":
        return found.is_set
    if comparison.operator == "is":
        hashed = _hash(comparison.values, bind) if comparison.field.name == "user_id" else ""
        return hashed + _is(found, comparison.values, bind)
    [value] = comparison.values
    if comparison.operator in _SIGNS:
        return _ordered(found, _SIGNS[comparison.operator], value, bind)
    return _in_text(found, comparison.operator, value, bind)


def _by_column(comparison: Comparison, bind: Bind) -> str:
    """One comparison for all types: the column has the type in its text."""
    column = bind("own_column", "Identifier", Identifier(comparison.field.column))
    if comparison.operator == "set":
        return f"{column} != ''"
    readings = (_readings(value) for value in comparison.values)
    texts = [columns.written(*one) for reading in readings for one in reading.items()]
    return _equal(column, "String", [*texts], bind)


def _hash(values: Sequence[str], bind: Bind) -> str:
    """Eight bytes are compared before the text, and a cluster asks only the user's shard."""
    if len(values) == 1:
        return f"user_hash = sipHash64({bind('hashed', 'String', values[0])}) AND "
    given = bind("hashed", "Array(String)", [*values])
    return f"user_hash IN arrayMap(it -> sipHash64(it), {given}) AND "


def _is(found: Reader, values: Sequence[str], bind: Bind) -> str:
    """One comparison for each type that may hold one of the values."""
    by_type: dict[str, list[object]] = {}
    for value in values:
        for type_name, read in _readings(value).items():
            by_type.setdefault(type_name, []).append(read)
    return " OR ".join(
        _equal(found.typed(type_name), type_name, by_type[type_name], bind)
        for type_name in found.types
        if type_name in by_type
    )


def _equal(column: str, type_name: str, values: list[object], bind: Bind) -> str:
    key = type_name.lower()
    if len(values) == 1:
        return f"{column} = {bind(key, type_name, values[0])}"
    if type_name == "Float64" and 0 in values:
        values = [*values, -0.0]  # which equals 0, but IN compares bytes
    return f"{column} IN {bind(key, f'Array({type_name})', values)}"


def _ordered(found: Reader, sign: str, text: str, bind: Bind) -> str:
    """Whole numbers are compared with a whole number: x > 1.5 is x > 1, and x >= 1.5 is x >= 2."""
    rounding = ROUND_FLOOR if sign in (">", "<=") else ROUND_CEILING
    rounded = int(exact(text).to_integral_value(rounding))
    whole = bind("whole", "Int128", min(max(rounded, -_MOST), _MOST))
    double = bind("double", "Float64", float(text))
    by_type: dict[str, Callable[[str], str]] = {
        "String": lambda column: (
            f"if(match({column}, {WHOLE_SQL}), toInt128OrNull({column}) {sign} {whole},"
            f" {double_in(column)} {sign} {double})"
        ),
        "Int64": lambda column: f"{column} {sign} {whole}",
        "UInt64": lambda column: f"{column} {sign} {whole}",
        "Float64": lambda column: f"{column} {sign} {double}",
    }
    compared = (by_type[name](found.typed(name)) for name in found.types if name in by_type)
    return " OR ".join(f"({sql})" for sql in compared)


def _in_text(found: Reader, operator: str, value: str, bind: Bind) -> str:
    """A number is looked at as it is written, and true and false as words."""
    bound = bind("text", "String", value)
    parts = []
    for type_name in found.types:
        if operator == "match" or _may_be_in(type_name, value.casefold()):
            column = found.typed(type_name)
            text = column if type_name == "String" else f"toString({column})"
            parts.append(_TEXTS[operator].format(text=text, value=bound))
    return " OR ".join(parts)


def _may_be_in(type_name: str, text: str) -> bool:
    """Whether the text of some value of the type may have this in it; else it need not be read."""
    if type_name == "String":
        return True
    if type_name == "Bool":
        return text in "true" or text in "false"
    return _IN_A_NUMBER.issuperset(text)


def _readings(text: str) -> dict[str, object]:
    """The value as each of the types in which ClickHouse's JSON may have stored it."""
    readings: dict[str, object] = {"String": text}
    if text in ("true", "false"):
        readings["Bool"] = text == "true"
    if is_number(text):
        readings["Float64"] = float(text)
        number = exact(text)
        if abs(number) <= 2**64 and number == number.to_integral_value():
            readings |= _integer_readings(int(number))
    return readings


def _integer_readings(number: int) -> dict[str, object]:
    if -(2**63) <= number < 2**63:
        return {"Int64": number}
    return {"UInt64": number} if 0 <= number < 2**64 else {}
