"""Checks the query parameters of `/events`. An error names its parameter."""

from datetime import UTC, datetime, time
from typing import NamedTuple
from uuid import UUID

from django.http import QueryDict

from config.api.cursors import decoded, encoded
from config.api.days import is_written_as_day, parse_day
from config.api.query_parameters import flag, problem, read, whole_number
from events.format.inspection import FieldError, check_name
from events.format.instants import NotAnInstant, parse_instant

# The first `after` of a client that wants to see what arrives.
NOW = "now"
MAX_PAGE = 1_000
DEFAULT_PAGE = 100
# The first word of a timeline's cursor.
_TIMELINE = "timeline"
_NO_CURSOR = "is not a valid cursor; use the `next` of a page"
_LAST = time(23, 59, 59, 999_000)


class IngestOptions(NamedTuple):
    wait: bool
    strict: bool


class Cursor(NamedTuple):
    """Where the last page ended, in the order of the answer: newest first."""

    occurred_at: datetime
    event_id: UUID


class TimelinePage(NamedTuple):
    """Which page of a person's events, and how many it has at most."""

    cursor: Cursor | None
    limit: int


class SearchFilters(NamedTuple):
    """`start` and `end` are included, in whole milliseconds. None means no filter."""

    user_id: str | None
    event_type: str | None
    start: datetime | None
    end: datetime | None
    cursor: Cursor | None
    limit: int
    after: datetime | None = None


def ingest_options(params: QueryDict) -> IngestOptions:
    values = read(params, {"wait": flag, "strict": flag})
    return IngestOptions(wait=bool(values["wait"]), strict=bool(values["strict"]))


def search_filters(params: QueryDict) -> SearchFilters:
    values = read(
        params,
        {
            "user_id": lambda text: _name("user_id", text),
            "event_type": lambda text: _name("event_type", text),
            "from": lambda text: _moment(text, last=False),
            "to": lambda text: _moment(text, last=True),
            "cursor": _cursor,
            "after": _after,
            "limit": whole_number(1, MAX_PAGE),
        },
    )
    start, end = values["from"], values["to"]
    if start and end and start > end:
        raise problem([{"parameter": "from", "message": "from is after to"}])
    if values["after"] and (start or end or values["cursor"]):
        message = "can't be combined with from, to and cursor"
        raise problem([{"parameter": "after", "message": message}])
    return SearchFilters(
        values["user_id"],
        values["event_type"],
        start,
        end,
        values["cursor"],
        values["limit"] or DEFAULT_PAGE,
        values["after"],
    )


def encode_cursor(cursor: Cursor) -> str:
    return encoded(f"{cursor.occurred_at.isoformat()} {cursor.event_id}")


def timeline_page(params: QueryDict) -> TimelinePage:
    values = read(params, {"cursor": _place, "limit": whole_number(1, MAX_PAGE)})
    return TimelinePage(values["cursor"], values["limit"] or DEFAULT_PAGE)


def encode_place(cursor: Cursor) -> str:
    """The cursor of a timeline."""
    return encoded(f"{_TIMELINE} {cursor.occurred_at.isoformat()} {cursor.event_id}")


def encode_after(moment: datetime) -> str:
    return encoded(f"after {moment.isoformat()}")


def _after(text: str) -> datetime:
    if text == NOW:
        return datetime.now(UTC)
    try:
        word, _, moment = decoded(text).partition(" ")
        if word != "after":
            raise ValueError
        return datetime.fromisoformat(moment).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"is neither {NOW!r} nor the `next` of an answer to `after`") from None


def _name(field: str, text: str) -> str:
    try:
        return check_name(field, text)
    except FieldError as error:
        raise ValueError(str(error)) from None


def _moment(text: str, *, last: bool) -> datetime:
    """The moment of a date, or of a date and time with an offset. Raises ValueError.

    A date means its first millisecond, or with `last` its last one.
    """
    if is_written_as_day(text):
        return datetime.combine(parse_day(text), _LAST if last else time.min, UTC)
    try:
        # In a query string an unescaped + arrives as a space.
        return parse_instant(text.replace(" ", "+"))
    except NotAnInstant as error:
        if error.code != "format":
            raise
        raise ValueError(
            "must be a date such as 2026-01-31, or an ISO 8601 date and time with an offset"
        ) from None


def _place(text: str) -> Cursor:
    try:
        word, _, place = decoded(text).partition(" ")
        if word != _TIMELINE:
            raise ValueError
        return _read_place(place)
    except ValueError:
        raise ValueError(_NO_CURSOR) from None


def _cursor(text: str) -> Cursor:
    try:
        return _read_place(decoded(text))
    except ValueError:
        raise ValueError(_NO_CURSOR) from None


def _read_place(text: str) -> Cursor:
    moment, _, event_id = text.partition(" ")
    return Cursor(parse_instant(moment), UUID(event_id))
