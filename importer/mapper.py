"""What makes a row of any source into an event's fields, as a mapping says."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID, uuid5

import msgspec

from events import moments
from events.inspection import FieldError
from events.records import timestamp
from importer.mapping import PROPERTY, ColumnMap, Fields, Time

# Fixed for ever: the same columns give the same id in every import.
_NAMESPACE = UUID("6f0d5e1c-6a57-5b0c-9b7e-2f1c8a4e9d10")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
# No time is written longer, nor has more digits before its point; making an int of 1e999990 takes
# half a minute.
_MAX_TIME = 40
_NO_TEXT = "{} is not UTF-8; name the encoding of the file if it is another (--encoding)"
_MAX_DIGITS = 20


def mapper(mapping: ColumnMap) -> Callable[[Mapping[str, Any]], Fields]:
    """What makes a row, its values by column as JSON has them, into an event's fields.

    Raises FieldError for a row that has not got what the mapping asks for.
    """
    named, kept = mapping.named(), mapping.kept()
    extra = [target for target in mapping.sources if target.startswith(PROPERTY)]
    constants = {
        target.removeprefix(PROPERTY): value
        for target, value in mapping.constants.items()
        if target.startswith(PROPERTY)
    }

    def text(row: Mapping[str, Any], target: str) -> str:
        constant = mapping.constants.get(target)
        if constant is not None:
            return constant
        return _as_text(target, _first(row, mapping.columns_of(target)))

    def properties(row: Mapping[str, Any]) -> str:
        base = _first(row, mapping.columns_of("properties"))
        rest = [] if mapping.rest != "properties" else [key for key in row if key not in kept]
        if isinstance(base, str) and not (extra or constants or rest):
            return base
        # What the event says of itself wins over a column beside it.
        values = {key: row[key] for key in rest if row[key] not in (None, "")} | _object(base)
        for target in extra:
            if (value := _first(row, mapping.sources[target])) is not None:
                values[target.removeprefix(PROPERTY)] = value
        return to_json(values | constants)

    def fields(row: Mapping[str, Any]) -> Fields:
        if mapping.rest == "refuse" and (unknown := next((k for k in row if k not in named), None)):
            raise FieldError(unknown[:80], "unknown_field", f"{unknown[:80]!r} is no column known")
        user_id, event_type = text(row, "user_id"), text(row, "event_type")
        occurred_at = _moment(text(row, "occurred_at"), mapping.time)
        if "event_id" in mapping.constants or not mapping.id_from:
            event_id = text(row, "event_id")
        elif not (event_id := _as_text("event_id", _first(row, mapping.columns_of("event_id")))):
            event_id = _derived_id(row, mapping)
        return event_id, occurred_at, user_id, event_type, properties(row)

    return fields


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
    """The value at a path; each key may itself hold dots, of which the longest is tried first."""
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


def _as_text(target: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(target, "type", f"{target} must be text or a number")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


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
        # What already is ISO 8601 stays; the check words what is wrong with it.
        if time == "utc" or _is_iso(text):
            return text
    wrong = f"occurred_at is no number of {_UNITS[time]} since 1970: {text[:80]!r}"
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


def _derived_id(row: Mapping[str, Any], mapping: ColumnMap) -> str:
    constants = mapping.constants
    values = [constants.get(name, _first(row, (name,))) for name in mapping.id_from]
    columns = [name for name in mapping.id_from if name not in constants]
    if all(_first(row, (name,)) is None for name in columns):
        raise FieldError("event_id", "required", f"event_id: no value in {', '.join(columns)}")
    # Texts as they are, so that CSV and JSON of the same source give the same ids.
    parts = [value if isinstance(value, str) else to_json(value) for value in values]
    try:
        return str(uuid5(_NAMESPACE, "\x1f".join(parts)))
    except UnicodeEncodeError:
        raise FieldError("event_id", "encoding", _NO_TEXT.format("event_id: a column")) from None


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
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FieldError("properties", "json", f"properties are not JSON: {error}") from None


def _from_pairs(pairs: list[Any]) -> Any:
    """An object from a list of keys and values, as BigQuery writes GA4's parameters.

    A value is itself, or the only one set of `string_value`, `int_value`, ….
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        if not (isinstance(pair, Mapping) and isinstance(key := pair.get("key"), str)):
            return None
        value = pair.get("value")
        if isinstance(value, Mapping):
            value = next((item for item in value.values() if item is not None), None)
        values[key] = value
    return values


def to_json(value: Any) -> str:
    """JSON text; what JSON has no form for becomes text. Raises FieldError."""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeError:
        raise FieldError("properties", "encoding", _NO_TEXT.format("properties: a value")) from None
    except (OverflowError, RecursionError, TypeError) as error:
        raise FieldError("properties", "json", f"properties are not JSON: {error}") from None


def as_shown_json(value: Any) -> str:
    """JSON text of any row, to be shown: what is not UTF-8 stays as it is (PEP 383)."""
    try:
        return to_json(value)
    except FieldError:
        pass
    try:
        return json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    except (ValueError, RecursionError):
        return "{}"
