"""The rules for an event's `properties`: they allow only what both engines keep exactly.

Both stores keep the JSON text as it was sent, without white space. The rules refuse what an engine
would refuse or change when it reads inside the text: NUL and lone surrogates (PostgreSQL's ->> and
UTF-8 itself refuse them), the same key twice (PostgreSQL takes the last, ClickHouse the first),
numbers outside a 64-bit integer or a double, and %2E in a key (ClickHouse reads it as a dot).
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

MAX_BYTES = 64 * 1024
# With white space: an indented document is a few times as large as the compact one.
_MAX_RAW_BYTES = 16 * MAX_BYTES
MAX_DEPTH = 8
MAX_KEYS = 255
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1

# The escapes that JSON may use for a NUL and for the characters of %2E.
_ESCAPED = re.compile(rb"\\u00(?:00|25|32|45)")
_LARGE_EXPONENT = re.compile(rb"[0-9][eE][+-]?0*[1-9][0-9][0-9]")
# So many letters E in a text are not worth a search for exponents.
_FEW_LETTERS = 8
_decode = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class PropertyError(ValueError):
    """What is wrong with properties: `code` for machines, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def checked(raw: bytes) -> bytes:
    """Check every rule and return the object as JSON without white space.

    `raw` must be JSON text that a decoder has already found well-formed, except inside strings.
    Raises PropertyError.
    """
    if len(raw) > _MAX_RAW_BYTES:
        raise _too_many_bytes()
    compact = bytes(msgspec.json.format(raw, indent=-1))
    if len(compact) > MAX_BYTES:
        raise _too_many_bytes()
    if not _is_plain(compact):
        _walk(compact)
    return compact


def checked_together(raws: Sequence[msgspec.Raw]) -> list[msgspec.Raw] | None:
    """Return what `checked` returns for each text, in half the time.

    None means that one of them may break a rule, or that they are large: check them one by one.
    """
    # No more than one may have: the decoder holds all threads, and what it makes takes up to 50
    # times as much memory.
    if sum(map(len, raws)) > MAX_BYTES:
        return None
    return _together(b"[" + b",".join(raws) + b"]", raws)


def read_together(texts: Sequence[str]) -> list[msgspec.Raw] | None:
    """The same as `checked_together` for texts that need not be well-formed."""
    if 4 * max(map(len, texts)) > MAX_BYTES:
        return None
    try:
        return _together(f"[{','.join(texts)}]".encode(), texts)
    except UnicodeEncodeError:
        return None


def decoded(compact: bytes) -> dict[str, Any]:
    """The object in a text that `checked` has returned."""
    found: dict[str, Any] = json.loads(compact) if _needs_a_walk(compact) else _decode(compact)
    return found


def _together(
    array: bytes, texts: Sequence[str] | Sequence[msgspec.Raw]
) -> list[msgspec.Raw] | None:
    if _needs_a_walk(array, texts=len(texts)):
        return None
    try:
        # Each by itself: parts of JSON could make up for each other in the array.
        keys = [_keys(_decode_object(text), depth=1) for text in texts]
    except (*_NOT_JSON, PropertyError):
        return None
    compact = bytes(msgspec.json.format(array, indent=-1))
    # As in `_is_plain`: none has fewer `":` than keys, so if the sums are equal, all are.
    if max(keys) > MAX_KEYS or sum(keys) != compact.count(b'":'):
        return None
    return _decode_raws(compact)


def _is_plain(compact: bytes) -> bool:
    """Check the rules with a decoder and a count, which is ten times faster than a walk.

    False means that a walk must decide. In compact JSON each key ends in `":`. Only an escaped
    quote inside a text looks the same. So if there are as many `":` as decoded keys, no key
    appears twice. If there are more, only a walk can tell.
    """
    if compact[:1] != b"{" or _needs_a_walk(compact):
        return False
    try:
        keys = _keys(_decode(compact), depth=1)
    except (*_NOT_JSON, PropertyError):
        return False
    return keys == compact.count(b'":') <= MAX_KEYS


def _needs_a_walk(data: bytes, *, texts: int = 1) -> bool:
    """Whether so many texts may hold a NUL, a key %2E, or numbers that take the decoder long.

    It takes 14 µs for each number from 1e289 on: 150 ms for 64 KB, while no other thread works.
    """
    if b"%2E" in data or (b"\\u00" in data and _ESCAPED.search(data)):
        return True
    letters = data.count(b"e") + data.count(b"E")
    return letters > texts * _FEW_LETTERS and _LARGE_EXPONENT.search(data) is not None


def _keys(value: Any, depth: int) -> int:
    """Count the keys of an object or array on all levels.

    Raises PropertyError for more than MAX_DEPTH levels and for an integer out of range. The
    decoder itself refuses a number that is too large for a double.
    """
    if depth > MAX_DEPTH:
        raise _too_deep()
    count, items = (len(value), value.values()) if type(value) is dict else (0, value)
    for item in items:
        kind = type(item)
        if kind is dict or kind is list:
            count += _keys(item, depth + 1)
        elif kind is int and not MIN_INTEGER <= item <= MAX_INTEGER:
            raise _too_large()
    return count


def _walk(compact: bytes) -> None:
    try:
        text = compact.decode()
    except UnicodeDecodeError:
        raise PropertyError("encoding", "properties are not valid UTF-8") from None
    keys = 0

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal keys
        if not pairs:  # there may be 20,000 such objects
            return {}
        keys += len(pairs)
        found = dict(pairs)
        if len(found) != len(pairs):
            raise PropertyError("duplicate_key", f"key {_twice(pairs)!r} appears twice")
        return found

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=_constant)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise PropertyError("json", f"properties are not JSON: {error}") from None
    except PropertyError:
        raise
    except ValueError:
        # An integer has more digits than Python reads.
        raise _too_large() from None
    if not isinstance(value, dict):
        raise PropertyError("type", "properties must be a JSON object")
    if keys > MAX_KEYS:
        raise PropertyError("too_many_keys", f"properties have {keys} keys; {MAX_KEYS} are allowed")
    _check_tree([value], depth=0)


def _check_tree(values: Iterable[Any], depth: int) -> None:
    """Check what an object or array of this depth holds, on every level.

    There may be 32,000 values, so a call for each would take longer than to decode them.
    """
    if depth > MAX_DEPTH:
        raise _too_deep()
    for item in values:
        kind = type(item)
        if kind is str:
            _check_text(item)
        elif kind is dict:
            for key in item:
                _check_key(key)
            _check_tree(item.values(), depth + 1)
        elif kind is list:
            _check_tree(item, depth + 1)
        elif kind is int and not MIN_INTEGER <= item <= MAX_INTEGER:
            raise _too_large()
        elif kind is float and not -math.inf < item < math.inf:
            message = "properties hold a number that is too large for a double"
            raise PropertyError("number", message)


def _check_key(key: str) -> None:
    _check_text(key)
    if "%2E" in key:
        raise PropertyError("key", f"key {key[:200]!r} contains %2E; send a dot instead")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise PropertyError("nul", "properties contain a NUL character or a lone surrogate")


def _too_many_bytes() -> PropertyError:
    return PropertyError("too_large", f"properties take more than {MAX_BYTES} bytes as JSON")


def _too_deep() -> PropertyError:
    return PropertyError("too_deep", f"properties are nested more than {MAX_DEPTH} levels deep")


def _twice(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return ""


def _too_large() -> PropertyError:
    message = "properties hold an integer of more than 64 bits; send it as text"
    return PropertyError("number", message)


def _constant(name: str) -> float:
    raise PropertyError("number", f"properties hold {name}, which is not JSON")
