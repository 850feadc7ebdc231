"""Logs: one JSON object a line, or colours on a terminal; structlog's and the libraries' alike.

A line has `time` (UTC), `level`, `event`, `logger`, `process`, and `request_id` or `request_ids`
where it is about requests. No content of events, no key and no query string is logged: what
PostgreSQL and ClickHouse say of a row they refuse is kept with the batch, and shown in the admin.
"""

import logging
import os
import sys
from typing import Any

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from config import request_id

# One line for each message and task would say less than our own for each batch.
_QUIET = ("celery.app.trace", "celery.worker.strategy", "celery.beat", "django_celery_beat")


def configure(*, level: str, style: str) -> dict[str, Any]:
    """Set structlog up; answers what logging.config.dictConfig needs for all other loggers.

    `style` is `json`, `console`, or `auto`: colours where standard output is a terminal.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    is_console = style == "console" or (style == "auto" and sys.stdout.isatty())
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "is_console": is_console}},
        "filters": {"failures": {"()": lambda: _is_failure}},
        "handlers": {
            "output": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "line",
            }
        },
        "root": {"handlers": ["output"], "level": level},
        "loggers": {
            **{name: {"level": "WARNING"} for name in _QUIET},
            # Django's line for each answer that is an error would repeat the request's own.
            "django.request": {"filters": ["failures"]},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }


def formatter(*, is_console: bool = False) -> logging.Formatter:
    renderer: Processor = structlog.dev.ConsoleRenderer() if is_console else _as_json
    exceptions: list[Processor] = [] if is_console else [structlog.processors.format_exc_info]
    return ProcessorFormatter(
        processors=[ProcessorFormatter.remove_processors_meta, *exceptions, renderer],
        foreign_pre_chain=_shared(),
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _add_origin,
    ]


def _add_origin(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    line["process"] = os.getpid()
    if current := request_id.current():
        line["request_id"] = current
    return line


def _as_json(_: WrappedLogger, __: str, line: EventDict) -> str:
    return msgspec.json.encode(line, enc_hook=str).decode()


def _is_failure(record: logging.LogRecord) -> bool:
    return record.exc_info is not None
