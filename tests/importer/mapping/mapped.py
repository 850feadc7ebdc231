"""Events of a file that is imported under a mapping."""

import json
from pathlib import Path
from typing import Any

from analytics import clickhouse as engine
from projects.models import DEFAULT
from tests.importer.importing import import_events

ID = "0191f5a0-0000-7000-8000-000000000001"


def stored() -> list[tuple[str, str, str, str, Any]]:
    columns = "toString(event_id), occurred_at, user_id, event_type, properties_text"
    rows = engine.query(
        f"SELECT {columns} FROM events ORDER BY occurred_at, event_type", project=DEFAULT
    )
    return [(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]


def imported(path: Path, text: str, *options: str) -> list[tuple[str, str, str, str, Any]]:
    path.write_text(text)
    import_events(path, *options)
    return stored()
