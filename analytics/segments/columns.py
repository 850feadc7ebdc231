"""Properties with a column of their own, in which a segment finds a value faster.

The column has the value and its type as one short text, so that one comparison finds a number
whatever type it has in the JSON column. Its name has the path of the property. ClickHouse computes
it at each insert, and itself says which columns there are and which of them reports may read
(`analytics.maintenance.property_columns`).
"""

import dataclasses
import struct
import time
from functools import lru_cache
from typing import TypeGuard, cast

from django.conf import settings

from analytics import clickhouse
from analytics.queries import load
from analytics.segments.escaping import written_name
from analytics.segments.expressions import Comparison, Field, Segments, Term
from analytics.segments.readers import Bind, reader_at_insert

# The operators that the column answers. The others look into the text of a value.
ANSWERED = ("is", "set")
# A process may believe for so long that there is a column, or that there is none.
KEPT_SECONDS = 5.0
PREFIX = "property_"
# A longer path has no column.
MAX_PATH_BYTES = 200
_KEPT_PROJECTS = 1_000
# How ClickHouse writes a value of each type into the column. A double is written by its bytes,
# which Python knows too; plus 0 makes -0 the 0 that it is equal to.
_WRITTEN = {
    "String": "concat('s', {value})",
    "Bool": "concat('b', toString({value}))",
    "Int64": "concat('i', toString({value}))",
    "UInt64": "concat('u', toString({value}))",
    "Float64": "concat('f', hex({value} + 0))",
}


def path_text(field: Field) -> str:
    """The path of a property as a segment has it behind `properties.`."""
    return ".".join(map(written_name, field.path))


def name_of(field: Field) -> str:
    """The column's name, which has no character but letters and digits from the path."""
    return f"{PREFIX}{path_text(field).encode().hex()}"


def path_in(name: str) -> str:
    """The path of the property, from the name of its column."""
    return bytes.fromhex(name.removeprefix(PREFIX)).decode()


def value_in(field: Field, bind: Bind) -> str:
    """SQL of what the column has: empty for no value, and `a` for one that is equal to nothing."""
    found = reader_at_insert(field, bind)
    branches = []
    for type_name in found.types:
        typed = found.typed(type_name)
        value = _WRITTEN[type_name].format(value=f"assumeNotNull({typed})")
        branches.append(f"isNotNull({typed}), {value}")
    return f"multiIf({', '.join(branches)}, {found.is_set}, 'a', '')"


def written(type_name: str, value: object) -> str:
    """What the column has for a value of one of the types."""
    if type_name == "Float64":
        return "f" + struct.pack("<d", cast(float, value) + 0).hex().upper()
    return type_name[0].lower() + (str(value).lower() if type_name == "Bool" else str(value))


def placed(segments: Segments, *, project: int) -> Segments:
    """The segments with the columns from which they can be answered. Raises ClickHouseError."""
    if not any(is_answered(it) for it in segments.conditions()):
        return segments
    return _placed(segments, in_use(project=project))


def in_use(*, project: int) -> frozenset[str]:
    """The columns that reports may read now. Raises ClickHouseError."""
    return _in_use(project, (settings.CLICKHOUSE_URL, time.monotonic() // KEPT_SECONDS))


@lru_cache(_KEPT_PROJECTS)
def _in_use(project: int, _while: tuple[str, float]) -> frozenset[str]:
    rows = clickhouse.query(load("property_columns"), project=project)
    return frozenset(name for name, is_in_use in rows if is_in_use)


def is_answered(condition: Term) -> TypeGuard[Comparison]:
    """Whether a column of its property would answer the condition."""
    if not isinstance(condition, Comparison):
        return False
    return bool(condition.field.path) and condition.operator in ANSWERED


def _placed(segments: Segments, names: frozenset[str]) -> Segments:
    def of(term: Term) -> Term:
        if isinstance(term, Segments):
            return _placed(term, names)
        if not is_answered(term):
            return term
        name = name_of(term.field)
        field = dataclasses.replace(term.field, column=name) if name in names else term.field
        return dataclasses.replace(term, field=field)

    return Segments(tuple(tuple(map(of, group)) for group in segments.groups))
