"""Reads and writes JSON without loss: numbers stay as they are written, each key is unique."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from events.format.inspection import FieldError

_NO_TEXT = "properties: a value is not UTF-8; if the file has another encoding, set encoding"
# A double would change a number with many digits, and would turn 1.10 into 1.1.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


def from_json(raw: bytes) -> Any:
    """The value of JSON text; a number with a point is a Decimal.

    Raises FieldError if an object has a key twice; ValueError or RecursionError if the text is not
    JSON.
    """
    try:
        value = _decode(raw)
    except InvalidOperation:
        raise ValueError("the exponent of a number has too many digits") from None
    # In compact JSON each key ends in `":`. Only an escaped quote inside text can look the same.
    if msgspec.json.format(raw, indent=-1).count(b'":') != _keys(value):
        json.loads(raw, object_pairs_hook=unique)
    return value


def _keys(value: Any) -> int:
    """How many keys a value has, including those of all nested values."""
    count, items = 0, value
    if type(value) is dict:
        count, items = len(value), value.values()
    elif type(value) is not list:
        return 0
    for item in items:
        if type(item) is dict or type(item) is list:
            count += _keys(item)
    return count


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of these keys and values. Raises FieldError if a key appears twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FieldError(key[:80], "duplicate_key", f"key {key[:80]!r} appears twice")
        found[key] = value
    return found


def to_json(value: Any) -> str:
    """JSON text; a value of a type that JSON does not have becomes text. Raises FieldError."""
    try:
        return _encode(value).decode()
    except UnicodeError:
        raise FieldError("properties", "encoding", _NO_TEXT) from None
    except (OverflowError, RecursionError, TypeError) as error:
        raise FieldError("properties", "json", f"properties are not JSON: {error}") from None


def as_shown_json(value: Any) -> str:
    """JSON text of any row, for display. Lone surrogates (PEP 383) stay as they are."""
    try:
        return to_json(value)
    except FieldError:
        pass
    try:
        return json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    except (ValueError, RecursionError):
        return "{}"
