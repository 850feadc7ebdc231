"""The query parameters of `/events`, checked; what is wrong is named by parameter."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

from django.http import QueryDict

from config.query_parameters import flag, problem, read, whole_number
from events.inspection import FieldError, check_name

MAX_PAGE = 1_000
DEFAULT_PAGE = 100


class IngestOptions(NamedTuple):
    wait: bool
    strict: bool


class Cursor(NamedTuple):
    """Where the last page ended, in the order of the answer: newest first."""

    occurred_at: datetime
    event_id: UUID


class SearchFilters(NamedTuple):
    """`start` is included, `end` is not; None leaves a filter out."""

    user_id: str | None
    event_type: str | None
    start: datetime | None
    end: datetime | None
    cursor: Cursor | None
    limit: int


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
            "limit": whole_number(1, MAX_PAGE),
        },
    )
    start, end = values["from"], values["to"]
    if start and end and start >= end:
        raise problem([{"parameter": "from", "message": "from is after to"}])
    return SearchFilters(
        values["user_id"],
        values["event_type"],
        start,
        end,
        values["cursor"],
        values["limit"] or DEFAULT_PAGE,
    )


def encode_cursor(cursor: Cursor) -> str:
    text = f"{cursor.occurred_at.isoformat()} {cursor.event_id}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _name(field: str, text: str) -> str:
    try:
        return check_name(field, text)
    except FieldError as error:
        raise ValueError(str(error)) from None


def _moment(text: str, *, last: bool) -> datetime:
    """A date, which as an end means its whole day, or a date and time with an offset."""
    try:
        if len(text) == len("2026-01-01"):
            day = date.fromisoformat(text)
            return datetime.combine(day, time.min, UTC) + timedelta(days=1 if last else 0)
        # In a query string an unescaped + arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise ValueError("must be a date or an ISO 8601 date and time") from None
    if moment.tzinfo is None:
        raise ValueError("has no UTC offset, such as Z")
    return moment + timedelta(milliseconds=1 if last else 0)


def _cursor(text: str) -> Cursor:
    try:
        decoded = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        moment, _, event_id = decoded.partition(" ")
        return Cursor(_aware(datetime.fromisoformat(moment)), UUID(event_id))
    except ValueError:
        raise ValueError("is not a cursor of this service") from None


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError
    return moment
