"""Inserts blocks of events into ClickHouse: each once, and only if the schema is complete."""

from typing import Any

from django.conf import settings

from analytics import clickhouse, cluster
from analytics.clickhouse import ClickHouseError, ClickHouseUnavailable
from analytics.schema import SCHEMA_DIR
from config.monitoring import metrics

_COLUMNS = ("event_id", "occurred_at", "user_id", "event_type", "properties_text")
# ClickHouse's code for a table that is missing. It tells a fault of one database from a server that
# is gone.
_UNKNOWN_TABLE = 60
# How a line of JSON becomes a row. A time may have any offset. The object in properties_text is
# kept as its text. Text that looks like a date stays text. A key with a dot is not a nested path.
# If a path occurs twice, its first value is kept, and the block does not fail.
_LINE_SETTINGS = {
    "date_time_input_format": "best_effort",
    "input_format_json_read_objects_as_strings": 1,
    "input_format_skip_unknown_fields": 0,
    "input_format_try_infer_dates": 0,
    "input_format_try_infer_datetimes": 0,
    "json_type_escape_dots_in_keys": 1,
    "type_json_skip_duplicated_paths": 1,
}
# A token names one block. If the block is sent again, ClickHouse must not divide it differently.
# Events of thirty years in one block must stay one block.
_TOKEN_SETTINGS = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "input_format_parallel_parsing": 0,
    "max_partitions_per_insert_block": 0,
}
# The databases that are known to have the whole schema: the server's URL and the project.
_complete: set[tuple[str, int]] = set()


def insert_block(
    *, project: int, token: str, body: bytes, compression: str | None = "zstd"
) -> None:
    """Inserts a block of events once, however often it is sent with the same token.

    `body` has one JSON object a line with the keys of _COLUMNS. `compression` is `zstd` (`body` may
    be several zstd frames in a row) or None. The body is one block for ClickHouse, in the table and
    in the rollups. Raises ClickHouseUnavailable if the same block may be sent again, also while the
    schema is incomplete. Raises ClickHouseRefused if ClickHouse can't accept one of the rows; it
    has then stored none of them.
    """
    _require_schema(project)
    table = "events_buffer" if settings.CLICKHOUSE_USE_BUFFER else "events"
    try:
        with metrics.CLICKHOUSE_QUERY_SECONDS.labels("insert").time():
            clickhouse.insert(
                table,
                project=project,
                columns=_COLUMNS,
                body=body,
                compression=compression,
                options={
                    **options_for(token),
                    "log_comment": clickhouse.log_comment("insert", batch_id=token),
                },
            )
    except ClickHouseError:
        # The server may be set up again after this, so the next insert checks the schema again.
        forget_schema(project=project)
        raise


def options_for(token: str) -> dict[str, Any]:
    """The settings for the block that has this token."""
    return {
        **_LINE_SETTINGS,
        **_TOKEN_SETTINGS,
        **cluster.options(),
        "insert_deduplication_token": token,
        "max_execution_time": settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS,
    }


def _require_schema(project: int) -> None:
    """Raises ClickHouseUnavailable while the schema is incomplete.

    A row that is inserted before a rollup's view exists is missing from that rollup for ever.
    """
    if (settings.CLICKHOUSE_URL, project) in _complete:
        return
    applied = {
        name for (name,) in clickhouse.query("SELECT name FROM schema_files", project=project)
    }
    if missing := {path.name for path in SCHEMA_DIR.glob("*.sql")} - applied:
        raise ClickHouseUnavailable(
            f"ClickHouse's schema lacks {', '.join(sorted(missing))}: "
            "run manage.py migrate_clickhouse",
            code=_UNKNOWN_TABLE,
        )
    _complete.add((settings.CLICKHOUSE_URL, project))


def forget_schema(*, project: int) -> None:
    """Have this process check the project's schema again before its next insert."""
    _complete.discard((settings.CLICKHOUSE_URL, project))


def flush_buffer(*, project: int) -> None:
    """Move the rows that wait in memory into `events`, if CLICKHOUSE_USE_BUFFER is on."""
    if settings.CLICKHOUSE_USE_BUFFER:
        clickhouse.command("OPTIMIZE TABLE events_buffer", project=project)
