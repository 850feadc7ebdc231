"""JSON into values and back with nothing lost: numbers as they are written, each key once."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from events.format.inspection import FieldError

_NO_TEXT = "properties: a value is not UTF-8; name the encoding of the file if it is another"
# A double would change a number of many digits, and 1.10 into 1.1.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


def from_json(raw: bytes) -> Any:
    """The value of JSON text; a number with a point is a Decimal.

    Raises FieldError where an object has a key twice; ValueError or RecursionError where it is no
    JSON.
    """
    try:
        value = _decode(raw)
    except InvalidOperation:
        raise ValueError("a number has more digits in its exponent than can be read") from None
    # In compact JSON each key ends in `":`, and nothing else but an escaped quote inside text.
    if msgspec.json.format(raw, indent=-1).count(b'":') != _keys(value):
        json.loads(raw, object_pairs_hook=unique)
    return value


def _keys(value: Any) -> int:
    """How many keys there are in a value and in all that it holds."""
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
    """An object of these keys and values. Raises FieldError where a key is there twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FieldError(key[:80], "duplicate_key", f"key {key[:80]!r} appears twice")
        found[key] = value
    return found


def to_json(value: Any) -> str:
    """JSON text; what JSON has no form for becomes text. Raises FieldError."""
    try:
        return _encode(value).decode()
    except UnicodeError:
        raise FieldError("properties", "encoding", _NO_TEXT) from None
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
