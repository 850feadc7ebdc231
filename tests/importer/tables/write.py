"""Writes the files beside it: one table as CSV, JSON lines and Parquet by four writers.

They are kept, so that no test needs the writers. To write them again, for newer versions:
`pip install pandas polars duckdb`, then `python -m tests.importer.tables.write`.
"""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

FOLDER = Path(__file__).parent
NESTED = ["tags", "place", "attributes"]
AT = datetime(2026, 1, 1, 10, 0, 0, 123456)
# The second visit lacks what can be missing, the third is at midnight and of whole numbers.
COLUMNS: dict[str, pa.Array] = {
    "who": pa.array(['José "Pepe", jr', "u12", "новини"]),
    "at": pa.array([AT, AT.replace(microsecond=0), datetime(2026, 1, 2)], pa.timestamp("us")),
    "sent": pa.array(
        [AT.replace(tzinfo=UTC), None, datetime(2026, 1, 2, tzinfo=UTC)], pa.timestamp("us", "UTC")
    ),
    "day": pa.array([date(2026, 1, 1), None, date(2026, 1, 2)]),
    "clock": pa.array([time(10, 0, 0, 123456), None, time(0, 0)], pa.time64("us")),
    "n": pa.array([7, None, 2**40], pa.int64()),
    "score": pa.array([0.1, None, 12.0]),
    "small": pa.array([0.1, None, 12.0], pa.float32()),
    "price": pa.array([Decimal("12.75"), None, Decimal("12.00")], pa.decimal128(10, 2)),
    "new": pa.array([True, False, True]),
    "tags": pa.array([["a", "b"], None, []], pa.list_(pa.string())),
    "place": pa.array(
        [{"city": "Kyiv", "seen": AT}, None, {"city": None, "seen": datetime(2026, 1, 2)}],
        pa.struct({"city": pa.string(), "seen": pa.timestamp("us")}),
    ),
    "attributes": pa.array(
        [[("plan", "pro"), ("lang", "uk")], None, []], pa.map_(pa.string(), pa.string())
    ),
}


def by_pyarrow(table: pa.Table) -> None:
    pyarrow.csv.write_csv(table.drop(NESTED), FOLDER / "pyarrow.csv")
    pyarrow.parquet.write_table(table, FOLDER / "pyarrow.parquet")
    rows = table.to_pylist(maps_as_pydicts="strict")
    lines = [json.dumps(row, default=_plain, ensure_ascii=False) for row in rows]
    (FOLDER / "pyarrow.ndjson").write_text("\n".join(lines) + "\n")


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def by_pandas(table: pa.Table) -> None:
    frame = table.drop(["attributes"]).to_pandas()  # it has no maps
    frame.drop(columns=["tags", "place"]).to_csv(FOLDER / "pandas.csv", index=False)
    frame.to_parquet(FOLDER / "pandas.parquet")
    iso = {"date_format": "iso", "date_unit": "us"}
    frame.to_json(FOLDER / "pandas.ndjson", orient="records", lines=True, **iso)


def by_polars(table: pa.Table) -> None:
    import polars  # noqa: PLC0415

    frame = polars.from_arrow(table)
    frame.drop(NESTED).write_csv(FOLDER / "polars.csv")
    frame.write_ndjson(FOLDER / "polars.ndjson")
    frame.write_parquet(FOLDER / "polars.parquet")


def by_duckdb(table: pa.Table) -> None:
    import duckdb  # noqa: PLC0415

    duckdb.execute("SET TimeZone = 'UTC'")
    duckdb.register("visits", table)
    flat = f"SELECT * EXCLUDE ({', '.join(NESTED)}) FROM visits"
    duckdb.execute(f"COPY ({flat}) TO '{FOLDER}/duckdb.csv' (FORMAT csv)")
    duckdb.execute(f"COPY visits TO '{FOLDER}/duckdb.ndjson' (FORMAT json)")
    duckdb.execute(f"COPY visits TO '{FOLDER}/duckdb.parquet' (FORMAT parquet)")
    # What Parquet says of a column and Arrow does not know.
    types = "SELECT id, gap, body, [id] AS ids, {'gap': gap, 'body': body} AS nested FROM types"
    duckdb.execute("CREATE TABLE types (id UUID, gap INTERVAL, body JSON)")
    duckdb.execute(
        "INSERT INTO types VALUES ('0191f5a0-0000-7000-8000-000000000001',"
        """ '1 month 2 days 3.5 seconds', '{"a": 1.50, "b": [null]}'), (NULL, NULL, NULL)"""
    )
    duckdb.execute(f"COPY ({types}) TO '{FOLDER}/types.parquet' (FORMAT parquet)")


if __name__ == "__main__":
    for write in (by_pyarrow, by_pandas, by_polars, by_duckdb):
        write(pa.table(COLUMNS))
