"""Turns a row of any source into an event's fields, as a mapping says."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from events.format import moments
from events.format.inspection import FieldError
from events.format.records import timestamp
from importer.mapping.columns import FIELDS, PROPERTY, ColumnMap, Fields, Time
from importer.mapping.ids import id_of
from importer.mapping.json_values import from_json, to_json, unique
from importer.mapping.spelling import number, whole

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
# The longest text of a time; _MAX_DIGITS limits its size. Without a limit, making an int of
# 1e999990 takes half a minute.
_MAX_TIME = 40
_NO_TEXT = "event_id: a value is not UTF-8; if the file has another encoding, set encoding"
_MAX_DIGITS = 20
_T = TypeVar("_T")


def mapper(mapping: ColumnMap, *, untyped: bool = False) -> Callable[[Mapping[str, Any]], Fields]:
    """A function that turns a row into an event's fields. A row has JSON values by column.

    If values are `untyped`, as in CSV, numbers come as text. The function raises FieldError for a
    row that lacks something the mapping needs.
    """
    columns = {target: mapping.columns_of(target) for target in FIELDS}
    constants, named = mapping.constants, mapping.named()
    properties, made_id = _properties(mapping), _id_maker(mapping)
    has_id = bool(columns["event_id"]) or "event_id" in constants

    def text(row: Mapping[str, Any], target: str) -> str:
        if target in constants:
            return constants[target]
        return as_text(target, _first(row, columns[target]), untyped=untyped)

    def fields(row: Mapping[str, Any]) -> Fields:
        if mapping.rest == "refuse" and (unknown := next((k for k in row if k not in named), None)):
            raise FieldError(unknown[:80], "unknown_field", f"unknown column {unknown[:80]!r}")
        user_id, event_type = text(row, "user_id"), text(row, "event_type")
        occurred_at = _moment(text(row, "occurred_at"), mapping.time)
        event_id = text(row, "event_id") if has_id else ""
        if not event_id and mapping.id_from and "event_id" not in constants:
            event_id = made_id(row)
        return event_id, occurred_at, user_id, event_type, properties(row)

    return fields


def _properties(mapping: ColumnMap) -> Callable[[Mapping[str, Any]], str]:
    """A function that makes a row's properties as JSON text."""
    columns, kept = mapping.columns_of("properties"), mapping.kept()
    extra, constants = _of_properties(mapping.sources), _of_properties(mapping.constants)

    def properties(row: Mapping[str, Any]) -> str:
        base = _first(row, columns)
        rest = [] if mapping.rest != "properties" else [key for key in row if key not in kept]
        if isinstance(base, str) and not (extra or constants or rest):
            return base
        # The event's own properties win over other columns of the same name.
        values = {key: row[key] for key in rest if row[key] not in (None, "")} | _object(base)
        for name, paths in extra.items():
            if (value := _first(row, paths)) is not None:
                values[name] = value
        return to_json(values | constants)

    return properties


def _of_properties(targets: Mapping[str, _T]) -> dict[str, _T]:
    """The targets that are single properties, by the property's name."""
    return {
        target.removeprefix(PROPERTY): value
        for target, value in targets.items()
        if target.startswith(PROPERTY)
    }


def _first(row: Mapping[str, Any], paths: Iterable[str]) -> Any:
    """The first value that is there and not empty, else None."""
    for path in paths:
        value = row.get(path)
        if value is None and "." in path:
            value = _nested(row, path)
        if value not in (None, ""):
            return value
    return None


def _nested(row: Mapping[str, Any], path: str) -> Any:
    """The value at a path. A key may contain dots itself; the longest key is tried first."""
    keys = path.split(".")
    for length in range(len(keys) - 1, 0, -1):
        inner = row.get(".".join(keys[:length]))
        if isinstance(inner, str) and inner.startswith("{"):
            inner = _parsed(inner)
        if isinstance(inner, Mapping):
            rest = ".".join(keys[length:])
            value = inner.get(rest)
            return _nested(inner, rest) if value is None and "." in rest else value
    return None


def as_text(target: str, value: Any, *, untyped: bool = False) -> str:
    """The text of a field whose value may be a number. Raises FieldError for other types."""
    if isinstance(value, str):
        return whole(value) if untyped else value
    if isinstance(value, float | Decimal):
        return number(value)
    if value is None:
        return ""
    if type(value) is not int:
        raise FieldError(target, "type", f"{target} must be text or a number")
    return str(value)


def _moment(text: str, time: Time) -> str:
    if time == "iso":
        return text
    try:
        if time == "utc":
            moment = moments.parse(text)
            return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        number = _number(text)
        return timestamp(_EPOCH + timedelta(microseconds=int(number * 10**6 / _PER_SECOND[time])))
    except (ValueError, ArithmeticError, InvalidOperation):
        # Leave ISO 8601 as it is: the later check of the event says what is wrong with it.
        if time == "utc" or _is_iso(text):
            return text
    wrong = f"occurred_at must be a number of {_UNITS[time]} since 1970, got {text[:80]!r}"
    raise FieldError("occurred_at", "format", wrong)


def _is_iso(text: str) -> bool:
    try:
        return bool(moments.parse(text))
    except ValueError:
        return False


def _number(text: str) -> Decimal:
    """A number that may be a time. Raises ValueError or ArithmeticError."""
    number = Decimal(text[: _MAX_TIME + 1])
    if len(text) > _MAX_TIME or not number.is_finite() or number.adjusted() > _MAX_DIGITS:
        raise ValueError("no time is that large")
    return number


def _id_maker(mapping: ColumnMap) -> Callable[[Mapping[str, Any]], str]:
    """A function that makes an id from a row's values: the same values always give the same id."""
    constants, id_from = mapping.constants, mapping.id_from
    columns = [name for name in id_from if name not in constants]

    def made(row: Mapping[str, Any]) -> str:
        values = {name: _first(row, (name,)) for name in columns}
        if all(value is None for value in values.values()):
            raise FieldError("event_id", "required", f"event_id: no value in {', '.join(columns)}")
        try:
            return id_of(constants[n] if n in constants else values[n] for n in id_from)
        except UnicodeEncodeError:
            raise FieldError("event_id", "encoding", _NO_TEXT) from None

    return made


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    parsed = _parsed(value) if isinstance(value, str) else value
    if isinstance(parsed, list):
        parsed = _from_pairs(parsed)
    if not isinstance(parsed, Mapping):
        raise FieldError("properties", "type", "properties must be a JSON object")
    return dict(parsed)


def _parsed(text: str) -> Any:
    try:
        return from_json(text.encode())
    except FieldError as error:
        raise FieldError("properties", error.code, f"properties: {error}") from None
    except (ValueError, RecursionError) as error:
        raise FieldError("properties", "json", f"properties are not JSON: {error}") from None


def _from_pairs(pairs: list[Any]) -> Any:
    """An object from a list of keys and values, as BigQuery writes GA4's parameters.

    A value stands alone, or in an object where only one of `string_value`, `int_value`, … is set.
    """
    values: list[tuple[str, Any]] = []
    for pair in pairs:
        if not (isinstance(pair, Mapping) and isinstance(key := pair.get("key"), str)):
            return None
        value = pair.get("value")
        if isinstance(value, Mapping):
            value = next((item for item in value.values() if item is not None), None)
        values.append((key, value))
    return unique(values)
