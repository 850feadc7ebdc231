"""Asks ClickHouse a report's query: bounded, measured, and stopped if the client leaves."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from django.conf import settings

from analytics import clickhouse
from config.monitoring import metrics
from config.server import disconnects

# The share of a report's memory that intermediate results may use before they go to disk. The rest
# is for merging them.
_SPILL_SHARE = 0.3
_LEAST_SECONDS = 0.1
_RESULT_BYTES = 64 * 1024 * 1024


def ask(
    name: str,
    sql: str,
    *,
    project: int,
    parameters: Mapping[str, Any],
    until: float = float("inf"),
) -> list[list[Any]]:
    """Rows of a report's query; `name` is for the metrics and the query log.

    A report of several queries gives each the time that is left `until` a moment of
    `time.monotonic`. Raises ClickHouseError, and ClientLeft.
    """
    seconds = settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS
    # 0 would be no limit at all.
    left = min(seconds, max(until - time.monotonic(), _LEAST_SECONDS))
    comment = clickhouse.log_comment(name, query=uuid4().hex)
    with (
        disconnects.stopping(partial(clickhouse.kill, comment)),
        metrics.CLICKHOUSE_QUERY_SECONDS.labels(name).time(),
    ):
        return clickhouse.query(
            sql,
            project=project,
            parameters={**parameters},
            options={"log_comment": comment, "max_execution_time": left, **_limits()},
        )


def _limits() -> dict[str, int]:
    memory = settings.CLICKHOUSE_QUERY_MEGABYTES * 1024 * 1024
    return {
        "max_memory_usage": memory,
        "max_bytes_before_external_group_by": int(memory * _SPILL_SHARE),
        "max_bytes_ratio_before_external_group_by": 0,
        "max_rows_to_read": settings.CLICKHOUSE_QUERY_ROWS,
        # The answer is held in memory whole.
        "max_result_bytes": _RESULT_BYTES,
    }
