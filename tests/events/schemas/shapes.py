"""Schemas made of others."""

from collections.abc import Callable
from functools import reduce
from typing import Any


def inside(schema: Any) -> dict[str, Any]:
    return {"properties": {"a": schema}}


def items(schema: Any) -> dict[str, Any]:
    return inside({"items": schema})


def tried(schema: Any, times: int) -> dict[str, Any]:
    """Evaluated so often, whatever comes of it."""
    return {"allOf": [{"anyOf": [schema, True]}] * times}


def nested(times: int, around: Callable[[Any], Any], core: Any) -> Any:
    return reduce(lambda schema, _: around(schema), range(times), core)
