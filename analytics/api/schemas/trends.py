"""A trend in the OpenAPI document: the schema of the answer, and an example."""

from analytics.trends.buckets import UNITS
from config.api.openapi import TEXT, component

_DATE = {"type": "string", "format": "date"}
_NUMBER = {"type": "number", "nullable": True}
_COUNTS = {
    "values": {
        "type": "integer",
        "description": "Of a measure of numbers: how many there were.",
    },
    "left_out": {
        "type": "integer",
        "description": "How many numbers beyond 1e30 were not added; left out if there are none.",
    },
}
_POINT = component(
    "TrendPoint",
    {
        "type": "object",
        "required": ["start", "end", "value", "complete"],
        "properties": {
            "start": {**TEXT, "description": "The first day, or the moment an hour begins."},
            "end": {**TEXT, "description": "The last day, or the moment the next hour begins."},
            "value": _NUMBER,
            **_COUNTS,
            "complete": {
                "type": "boolean",
                "description": "False while it runs, and if the range cuts it.",
            },
        },
    },
)
_LINE = component(
    "TrendLine",
    {
        "type": "object",
        "required": ["series", "total", "points"],
        "properties": {
            "series": {**TEXT, "nullable": True},
            "value": {**TEXT, "nullable": True, "description": "With `by`; null: not set."},
            "total": {**_NUMBER, "description": "The measure of the whole range."},
            **_COUNTS,
            "points": {"type": "array", "items": _POINT},
        },
    },
)
_PERIOD = {
    "from": _DATE,
    "to": _DATE,
    "series": {"type": "array", "items": _LINE},
    "other": _LINE,
}
SCHEMA = component(
    "Trend",
    {
        "type": "object",
        "required": ["unit", "tz", "from", "to", "series"],
        "properties": {
            "unit": {"type": "string", "enum": [*UNITS]},
            "tz": TEXT,
            "by": {**TEXT, "description": "The field of the breakdown, if there is one."},
            **_PERIOD,
            "compare": component(
                "ComparedTrend",
                {
                    "type": "object",
                    "required": ["from", "to", "series"],
                    "properties": _PERIOD,
                },
            ),
        },
    },
)
EXAMPLE = {
    "unit": "day",
    "tz": "UTC",
    "from": "2026-11-01",
    "to": "2026-11-01",
    "series": [
        {
            "series": "event_type:purchase",
            "value": None,
            "total": 41,
            "points": [{"start": "2026-11-01", "end": "2026-11-01", "value": 41, "complete": True}],
        }
    ],
}
