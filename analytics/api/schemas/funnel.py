"""A funnel in the OpenAPI document: the schema of the answer, and an example."""

from config.api.openapi import COUNT, TEXT, component, record

_SHARE = {"type": "number", "nullable": True}
_STEPS = {
    "type": "array",
    "items": component(
        "FunnelStep",
        {
            "type": "object",
            "required": ["step", "users"],
            "properties": {
                "step": COUNT,
                "users": {**COUNT, "description": "Users who reached it."},
                "of_first": {**_SHARE, "description": "Per cent of the first step's users."},
                "of_previous": {**_SHARE, "description": "Per cent of the users one step before."},
                "median_seconds": {
                    **_SHARE,
                    "description": "Half of these users reached it in this time from the entry.",
                },
            },
        },
    ),
}
_OTHERS = record("FunnelOfOtherValues", {"steps": _STEPS})
SCHEMA = component(
    "Funnel",
    {
        "type": "object",
        "required": ["steps", "window_seconds", "complete"],
        "properties": {
            "steps": _STEPS,
            "window_seconds": COUNT,
            "complete": {"type": "boolean"},
            "by": TEXT,
            "values": {
                "type": "array",
                "items": record(
                    "FunnelOfValue", {"value": {**TEXT, "nullable": True}, "steps": _STEPS}
                ),
                "description": "With `by`; null: not set.",
            },
            "other": _OTHERS,
        },
    },
)
EXAMPLE = {
    "steps": [
        {"step": 1, "users": 179845},
        {
            "step": 2,
            "users": 147555,
            "of_first": 82.0,
            "of_previous": 82.0,
            "median_seconds": 77.0,
        },
    ],
    "window_seconds": 86400,
    "complete": True,
}
