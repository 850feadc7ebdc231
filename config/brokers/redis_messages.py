"""Separates the messages that Celery wrote from anything else on Redis' queue.

Kombu raises an error at anything else. The error ends the worker, and the item comes back to end
the next worker.
"""

from base64 import b64decode
from typing import Annotated, Any, Literal

import msgspec
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads


class _Way(msgspec.Struct):
    exchange: str
    routing_key: str


class _Properties(msgspec.Struct):
    delivery_tag: Annotated[str, msgspec.Meta(min_length=1)]
    delivery_info: _Way
    body_encoding: Literal["base64"]


class _Message(msgspec.Struct, rename={"kind": "content-type", "encoding": "content-encoding"}):
    """The fields of a message that Kombu relies on, and no others."""

    body: str
    kind: str
    encoding: str
    headers: dict[str, Any]
    properties: _Properties


def read(item: bytes) -> Any:
    """The message as Kombu reads it; None if the item is not a message."""
    try:
        message = loads(bytes_to_str(item))
        b64decode(msgspec.convert(message, _Message).body)
    # Kombu makes objects of what a message names, and their constructors raise anything.
    except Exception:
        return None
    return message
