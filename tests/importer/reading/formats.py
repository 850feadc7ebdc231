"""Events as each format has them, and the rows that are read from a file."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from importer.mapping.options import Options
from importer.reading import columns_and_chunks
from importer.reading.chunks import Chunk
from importer.reading.files import opened
from tests.importer.importing import rows_of

NAMES = ["event_id", "occurred_at", "user_id", "event_type", "properties"]


PROPERTIES = '{"page":{"section":"новини \\"нові\\""},"n":1.50,"big":9007199254740993}'


def events(count: int) -> list[dict[str, str]]:
    return [
        dict(zip(NAMES, row, strict=True))
        for row in rows_of(count, occurred_at="2025-05-05T10:00:00.123Z", properties=PROPERTIES)
    ]


def as_csv(rows: list[dict[str, str]], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, NAMES, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json_lines(rows: list[dict[str, str]]) -> bytes:
    lines = []
    for row in rows:
        names = {name: row[name] for name in NAMES[:4]}
        lines.append(json.dumps(names)[:-1] + f', "properties": {row["properties"]}}}\n')
    return "".join(lines).encode()


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    """As a tool would write it: ids as bytes, times as times."""
    table = pa.table(
        {
            "event_id": pa.array([UUID(row["event_id"]).bytes for row in rows], pa.binary(16)),
            "occurred_at": pa.array(
                [datetime.fromisoformat(row["occurred_at"]) for row in rows],
                pa.timestamp("us", "UTC"),
            ),
            **{name: [row[name] for row in rows] for name in NAMES[2:]},
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=700, write_page_checksum=True)
    return sink.getvalue()


HEADER = "event_id,occurred_at,user_id,event_type,properties\n"


def chunks(path: Path, **options: Any) -> Iterator[Chunk]:
    with opened(path) as file:
        yield from columns_and_chunks(file, Options(**options))[1]


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "events.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
