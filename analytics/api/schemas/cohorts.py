"""Cohorts in the OpenAPI document: the schema of the answer, and an example."""

from config.api.openapi import COUNT, component

_DATE = {"type": "string", "format": "date"}
_PERIOD = component(
    "CohortPeriod",
    {
        "type": "object",
        "required": ["period", "users", "rate"],
        "properties": {
            "period": {**COUNT, "description": "How many periods after the cohort's own, 0."},
            "start": _DATE,
            "end": _DATE,
            "of": {
                **COUNT,
                "description": "In the row of averages: the users of the cohorts that it is of.",
            },
            "users": {**COUNT, "nullable": True, "description": "Null: it has not begun."},
            "rate": {"type": "number", "nullable": True, "description": "Per cent."},
            "complete": {"type": "boolean", "description": "False until it has ended."},
        },
    },
)
_ROW = component(
    "CohortRow",
    {
        "type": "object",
        "required": ["cohort", "users", "periods"],
        "properties": {
            "cohort": {**_DATE, "nullable": True, "description": "Null in the row of averages."},
            "users": COUNT,
            "complete": {"type": "boolean", "description": "False until its period 0 has ended."},
            "periods": {"type": "array", "items": _PERIOD},
        },
    },
)
SCHEMA = {"type": "array", "items": _ROW}
EXAMPLE = [
    {
        "cohort": "2026-11-02",
        "users": 1000,
        "complete": True,
        "periods": [
            {
                "period": 0,
                "start": "2026-11-02",
                "end": "2026-11-08",
                "users": 1000,
                "rate": 100.0,
                "complete": True,
            }
        ],
    },
    {
        "cohort": None,
        "users": 1000,
        "periods": [{"period": 0, "of": 1000, "users": 1000, "rate": 100.0}],
    },
]
