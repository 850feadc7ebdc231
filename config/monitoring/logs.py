"""Logs of structlog and of the libraries: one JSON object a line, or colours on a terminal.

A line has `timestamp` (UTC), `level`, `event`, `logger` and `process`. It has `count` if it is
about a number of events, and `request_id` or `request_ids` if it is about requests. No log holds
the content of an event, a key, a query string, the id of a user or a shared link. What PostgreSQL
and ClickHouse say about a row that they refuse is kept with the batch, and shown in the admin.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from config.monitoring import request_id

# The lowest level that each logger writes, whatever LOG_LEVEL is.
_LEAST = {
    # These loggers write a line for each message and task. Our line for each batch says more.
    **dict.fromkeys(("celery.app.trace", "celery.worker.strategy", "celery.beat"), "WARNING"),
    "django_celery_beat": "WARNING",
    # At DEBUG these loggers write whole messages and commands.
    **dict.fromkeys(
        ("celery.concurrency", "celery.pool", "kombu", "amqp", "multiprocessing"), "INFO"
    ),
    # urllib3's warnings show URLs of requests to ClickHouse, which hold what a user asked for.
    "urllib3": "ERROR",
    "django.security.DisallowedHost": "CRITICAL",
}
# After its message, PostgreSQL quotes rows and statements.
_QUOTED = re.compile(r"\n(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+):.*?(?=\n\n|\Z)", re.DOTALL)
# What follows in a path is the id of a user, or opens a shared view to whoever has it.
_SECRETS = re.compile(r"/+(users|shared)/")
# A line with more ids is longer than a pipe takes at once, and would mix with the lines of other
# processes.
_REQUESTS_A_LINE = 50


def configure(*, level: str, style: str) -> dict[str, Any]:
    """Set up structlog. Returns what logging.config.dictConfig needs for all other loggers.

    `style` is `json`, `console`, or `auto`: colours if standard error is a terminal.
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
    is_console = style == "console" or (style == "auto" and sys.stderr.isatty())
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "is_console": is_console}},
        "filters": {"failures": {"()": lambda: _is_failure}},
        "handlers": {
            "output": {
                "class": "logging.StreamHandler",
                # Not standard output: what a command prints there (events, or a key) may be piped
                # elsewhere.
                "stream": "ext://sys.stderr",
                "formatter": "line",
            }
        },
        "root": {"handlers": ["output"], "level": level},
        "loggers": {
            **{name: {"level": max(level, least, key=_number)} for name, least in _LEAST.items()},
            # Django's line for each answer that is an error would repeat our line of the request.
            "django.request": {"filters": ["failures"]},
        },
    }


def formatter(*, is_console: bool = False) -> logging.Formatter:
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return ProcessorFormatter(
        processors=[
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _without_quotes,
            console if is_console else _as_json,
        ],
        foreign_pre_chain=_shared(),
    )


def path_without_secrets(path: str) -> str:
    """The path of a request as logs may have it."""
    found = _SECRETS.match(path)
    return f"/{found[1]}/*" if found else path


def about_requests(log: Any, event: str, request_ids: Sequence[str], **fields: str | float) -> None:
    """Log a line about these requests, and more lines if there are too many ids for one line."""
    for start in range(0, max(1, len(request_ids)), _REQUESTS_A_LINE):
        if some := request_ids[start : start + _REQUESTS_A_LINE]:
            fields["request_ids"] = some  # type: ignore[assignment]
        log.info(event if not start else f"{event}_also_for", **fields)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        _add_origin,
    ]


def _add_origin(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    line["process"] = os.getpid()
    if current := request_id.current():
        line["request_id"] = current
    return line


def _without_quotes(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    for key, value in line.items():
        if isinstance(value, str) and "\n" in value:
            line[key] = _QUOTED.sub("", value)
    return line


def _as_json(_: WrappedLogger, __: str, line: EventDict) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except UnicodeEncodeError:  # half a surrogate pair: a file's name can have one
        return json.dumps(line, default=str)


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level]


def _is_failure(record: logging.LogRecord) -> bool:
    """Whether Django's line is about an exception; its path is then told without secrets."""
    if isinstance(record.args, tuple):
        record.args = tuple(path_without_secrets(str(it)) for it in record.args)
    return record.exc_info is not None
