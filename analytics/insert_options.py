"""The settings of ClickHouse with which a block of events is read and inserted once."""

from typing import Any

from django.conf import settings

from analytics import cluster

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


def for_block(token: str) -> dict[str, Any]:
    """The settings for the block that has this token."""
    return {
        **_LINE_SETTINGS,
        **_TOKEN_SETTINGS,
        **cluster.options(),
        "insert_deduplication_token": token,
        "max_execution_time": settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS,
    }
