"""Makes the id of an event that has none: the same values always give the same id."""

from collections.abc import Iterable
from hashlib import sha1
from typing import Any
from uuid import UUID

from importer.mapping.spelling import spelt

# Do not change these constants or how values are spelt: a file imported again must give the same
# ids.
_NAMESPACE = UUID("6f0d5e1c-6a57-5b0c-9b7e-2f1c8a4e9d10").bytes
_SEPARATOR = "\x1f"
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def id_of(values: Iterable[Any]) -> str:
    """A UUIDv5 as text. Raises UnicodeEncodeError for a value with lone surrogates.

    The standard library's `uuid5` gives the same id but takes three times as long.
    """
    name = _SEPARATOR.join(map(spelt, values)).encode()
    digest = sha1(_NAMESPACE + name, usedforsecurity=False).hexdigest()
    middle = f"5{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}"
    return f"{digest[:8]}-{digest[8:12]}-{middle}-{digest[20:32]}"
