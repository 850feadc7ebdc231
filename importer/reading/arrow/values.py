"""Turns Arrow columns into values that JSON can hold: one rule per type, at every depth."""

import struct
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from events.format.inspection import FieldError
from importer.mapping.json_values import from_json, unique
from importer.mapping.spelling import spelt

# Turns an Arrow array into its values. Raises FieldError for a value that JSON can't hold.
Convert: TypeAlias = Callable[[Any], list[Any]]

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Zeros at the end of a fraction of a second, in groups of three.
_ZEROS = r"\.?(?:000)+"


class UnknownType(ValueError):
    """A type that has no rule."""


def converter(kind: Any, leaves: Iterator[Any]) -> Convert:
    """The rule for an Arrow type. `leaves` are the Parquet columns that form the type, in order.

    Raises UnknownType.
    """
    from pyarrow import BaseExtensionType, types  # noqa: PLC0415 - takes 0.2 s, for Parquet only

    if isinstance(kind, BaseExtensionType):
        inner = converter(kind.storage_type, leaves)
        rule = {"arrow.uuid": _uuids, "arrow.json": _json}.get(kind.extension_name, inner)
        return lambda array: rule(array.storage)
    if types.is_dictionary(kind):
        return _of_dictionary(converter(kind.value_type, leaves))
    if types.is_map(kind):
        return _of_maps(converter(kind.key_type, leaves), converter(kind.item_type, leaves))
    if types.is_struct(kind):
        return _of_structs(kind, [converter(field.type, leaves) for field in kind])
    if types.is_nested(kind) and hasattr(kind, "value_type"):
        return _of_lists(kind, converter(kind.value_type, leaves))
    return _of_leaf(kind, next(leaves, None))


def _of_leaf(kind: Any, leaf: Any) -> Convert:
    """The rule for a type without inner types. The Parquet schema names types that Arrow lacks."""
    from pyarrow import types  # noqa: PLC0415

    said = {leaf.logical_type.type, leaf.converted_type} if leaf else set()
    annotated: dict[str, Convert] = {"UUID": _uuids, "INTERVAL": _intervals, "JSON": _json}
    if known := said & annotated.keys():
        return annotated[known.pop()]
    rules: list[tuple[Callable[[Any], bool], Convert]] = [
        (types.is_float16, _half_floats),
        (types.is_float32, _floats),
        (types.is_float64, _doubles),
        (types.is_timestamp, _timestamps),
        (types.is_date, _dates),
        (types.is_time, _times),
        (types.is_duration, _durations),
        (types.is_integer, _as_they_are),
        (types.is_boolean, _as_they_are),
        (types.is_decimal, _as_they_are),
        (types.is_null, _as_they_are),
        (is_text, texts),
        (types.is_fixed_size_binary, texts),
    ]
    for fits, rule in rules:
        if fits(kind):
            return rule
    raise UnknownType(str(kind)[:200])


def is_text(kind: Any) -> bool:
    """Whether the values are text or bytes of any length."""
    from pyarrow import types  # noqa: PLC0415

    return any(
        fits(kind)
        for fits in (
            *(types.is_string, types.is_large_string, types.is_string_view),
            *(types.is_binary, types.is_large_binary, types.is_binary_view),
        )
    )


def is_bytes(kind: Any) -> bool:
    """Whether the values are bytes that are not marked as text."""
    from pyarrow import types  # noqa: PLC0415

    some_size = types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    return bool(some_size or types.is_fixed_size_binary(kind))


# --- Types without inner types --------------------------------------------------------------------


def _as_they_are(array: Any) -> list[Any]:
    values: list[Any] = array.to_pylist()
    return values


def texts(array: Any) -> list[Any]:
    """Bytes that are not UTF-8 appear as lone surrogates (PEP 383), which no event may have."""
    from pyarrow import binary  # noqa: PLC0415

    try:
        values = array.to_pylist()
    except UnicodeDecodeError:
        values = array.cast(binary()).to_pylist()
    return [
        value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
        for value in values
    ]


def _uuids(array: Any) -> list[Any]:
    return [None if value is None else str(UUID(bytes=value)) for value in array.to_pylist()]


def ids(array: Any) -> list[Any]:
    """The values of a column of event ids. 16 bytes are a UUID, even if Parquet does not say so."""
    return [
        str(UUID(bytes=value)) if isinstance(value, bytes) and len(value) == 16 else text
        for value, text in zip(array.to_pylist(), texts(array), strict=True)
    ]


def _json(array: Any) -> list[Any]:
    return [text if text is None else _parsed(text) for text in texts(array)]


def _parsed(text: str) -> Any:
    try:
        return from_json(text.encode())
    except FieldError:
        raise
    except (ValueError, RecursionError):
        return text


def _doubles(array: Any) -> list[Any]:
    """NaN and infinity become None: JSON has neither, and pandas writes NaN for a missing value."""
    from pyarrow import compute  # noqa: PLC0415

    values: list[Any] = compute.if_else(compute.is_finite(array), array, None).to_pylist()
    return values


def _floats(array: Any) -> list[Any]:
    """Each value with its shortest spelling: 0.1, not 0.10000000149011612."""
    from pyarrow import float64, string  # noqa: PLC0415

    return _doubles(array.cast(string()).cast(float64()))


def _half_floats(array: Any) -> list[Any]:
    return [value if value is None else _shortest_half(value) for value in _doubles(array)]


def _shortest_half(value: float) -> float:
    for digits in range(1, 5):
        short = float(f"{value:.{digits}g}")
        # Half precision has no larger number; pack() would raise an error.
        if abs(short) < 65520 and struct.unpack("e", struct.pack("e", short))[0] == value:
            return short
    return value


def _timestamps(array: Any) -> list[Any]:
    """ISO 8601 in UTC. A timestamp without a zone counts as UTC."""
    from pyarrow import compute, string, timestamp  # noqa: PLC0415

    texts = array.cast(timestamp(array.type.unit, "UTC")).cast(string())
    texts = compute.replace_substring(texts, " ", "T", max_replacements=1)
    values: list[Any] = compute.replace_substring_regex(texts, f"{_ZEROS}Z$", "Z").to_pylist()
    return values


def _dates(array: Any) -> list[Any]:
    from pyarrow import date32, string  # noqa: PLC0415

    return _as_they_are(array.cast(date32()).cast(string()))


def _times(array: Any) -> list[Any]:
    from pyarrow import compute, string  # noqa: PLC0415

    return _as_they_are(compute.replace_substring_regex(array.cast(string()), f"{_ZEROS}$", ""))


def _durations(array: Any) -> list[Any]:
    """ISO 8601 in seconds, such as PT86401.5S."""
    from pyarrow import int64  # noqa: PLC0415

    per_second = _PER_SECOND[array.type.unit]
    counts = array.cast(int64()).to_pylist()
    return [count if count is None else f"PT{_seconds(count, per_second)}S" for count in counts]


def _intervals(array: Any) -> list[Any]:
    """ISO 8601, from the 12 bytes in which Parquet stores months, days and milliseconds."""
    return [value if value is None else _interval(value) for value in array.to_pylist()]


def _interval(value: bytes) -> str:
    months, days, milliseconds = struct.unpack("<III", value)
    return f"P{months}M{days}DT{_seconds(milliseconds, 1000)}S"


def _seconds(count: int, per_second: int) -> str:
    text = f"{Decimal(count) / per_second:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- Types with inner types -----------------------------------------------------------------------


def _of_dictionary(convert: Convert) -> Convert:
    def values(array: Any) -> list[Any]:
        if len(array) < len(array.dictionary):
            return convert(array.dictionary_decode())
        known = convert(array.dictionary)
        return [None if index is None else known[index] for index in array.indices.to_pylist()]

    return values


def _of_structs(kind: Any, converts: Sequence[Convert]) -> Convert:
    names = [field.name for field in kind]
    if len(set(names)) < len(names):
        raise UnknownType(f"{kind} has a name twice"[:200])

    def values(array: Any) -> list[Any]:
        # flatten() respects nulls, and the offset of an array that is a slice of a longer one.
        inner = [convert(child) for convert, child in zip(converts, array.flatten(), strict=True)]
        rows = zip(*inner, strict=True)
        return [
            dict(zip(names, row, strict=True)) if there else None
            for row, there in zip(rows, array.is_valid().to_pylist(), strict=True)
        ]

    return values


def _of_maps(convert_key: Convert, convert_item: Convert) -> Convert:
    """Maps become objects; their keys become text, as JSON requires."""

    def values(array: Any) -> list[Any]:
        places = _places(array)
        keys, items = _cut(convert_key, array.keys, places), _cut(convert_item, array.items, places)
        pairs = zip(keys, items, strict=True)
        return [
            None if key is None else unique(list(zip(map(spelt, key), item, strict=True)))
            for key, item in pairs
        ]

    return values


def _of_lists(kind: Any, convert: Convert) -> Convert:
    from pyarrow import list_, types  # noqa: PLC0415

    def values(array: Any) -> list[Any]:
        if types.is_fixed_size_list(kind):
            array = array.cast(list_(kind.value_field))
        return _cut(convert, array.values, _places(array))

    return values


# Where each list begins and ends within the values of all lists; None if there is no list.
_Places: TypeAlias = Sequence[tuple[int, int] | None]


def _places(array: Any) -> _Places:
    offsets = array.offsets.to_pylist()
    if hasattr(array, "sizes"):  # a view, whose lists may lie anywhere
        ends = [start + size for start, size in zip(offsets, array.sizes.to_pylist(), strict=True)]
    else:
        ends = offsets[1:]
    there = array.is_valid().to_pylist()
    return [
        (start, end) if valid else None
        for start, end, valid in zip(offsets, ends, there, strict=False)
    ]


def _cut(convert: Convert, values: Any, places: _Places) -> list[Any]:
    """Lists of converted values. Values before or after all places are not converted."""
    first = min((place[0] for place in places if place), default=0)
    last = max((place[1] for place in places if place), default=0)
    known = convert(values.slice(first, max(0, last - first)))
    return [place and known[place[0] - first : place[1] - first] for place in places]
