"""The form of Kombu's messages in Redis: writes them, and separates them from anything else.

Kombu raises an error at anything else. The error ends the worker, and the item comes back to end
the next worker. To write a message, Kombu takes several times as long as Redis takes to store it.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from kombu.utils.uuid import uuid


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


def written(
    body: Any, *, queue: str, headers: Mapping[str, Any], properties: Mapping[str, Any]
) -> bytes:
    """A message as Kombu's producer writes it for a queue: JSON, lasting, of no priority."""
    way = {"exchange": "", "routing_key": queue}
    return msgspec.json.encode(
        {
            "body": b64encode(msgspec.json.encode(body)).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": {
                **properties,
                "delivery_mode": 2,
                "delivery_info": way,
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": uuid(),
            },
        }
    )
