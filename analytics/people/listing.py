"""Lists of people, page by page: those with the newest event first."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings

from analytics.asking import ask
from analytics.queries import load
from config.api.cursors import decoded, encoded

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 50
# Memory for one person: as rows from ClickHouse, as an object and as JSON.
PERSON_BYTES = 4_000
# Before this place in the list are all people.
_MOST = 2**63 - 1
_MOST_HASH = 2**64 - 1
_WORD = "people"


class Person(NamedTuple):
    """Someone with the moments of the first and the last event, as `2026-01-01T00:00:00.123Z`."""

    user_id: str
    first_seen: str
    last_seen: str


class People(NamedTuple):
    """A page of a list, how many people the whole list has, and the cursor of the next page."""

    total: int
    users: list[Person]
    next: str | None


class Cursor(NamedTuple):
    """Where a page ended: the last moment of its last person, in milliseconds, and their hash."""

    at: int
    user_hash: int


def parse_cursor(text: str) -> Cursor:
    """The cursor of `People.next`. Raises ValueError with what is wrong."""
    try:
        word, at, user_hash = decoded(text).split(" ")
        found = Cursor(_number(at, _MOST), _number(user_hash, _MOST_HASH))
        if word != _WORD:
            raise ValueError
    except ValueError:
        raise ValueError("is not a valid cursor; use the `next` of a page") from None
    return found


def people_of(
    sql: str,
    parameters: Mapping[str, Any],
    *,
    project: int,
    limit: int,
    cursor: Cursor | None = None,
    prefix: str = "",
    name: str = "people",
) -> People:
    """A page of the people whose `user_hash` the SELECT gives, each once, however often it does.

    The SELECT is SQL of this service, and `parameters` are its own, none of which begins with
    `page_`. With `prefix`, they are only the people whose id begins with it. `name` is for the
    metrics and the query log. A person who gets no new event is on one page, and only there,
    whoever comes meanwhile. Raises ClickHouseError.
    """
    which = _Which(project, name, f"user_hash IN ({sql})", parameters, prefix, _deadline())
    return _people(which, limit, cursor)


def everyone(*, project: int, limit: int, cursor: Cursor | None = None, prefix: str = "") -> People:
    """A page of all people, or of those whose id begins with `prefix`. Raises ClickHouseError."""
    return _people(_Which(project, "people", "1", {}, prefix, _deadline()), limit, cursor)


def ids_like(prefix: str, *, project: int, limit: int) -> list[str]:
    """Some ids that begin with `prefix`, in their order. It stops when it has found enough of them.

    Raises ClickHouseError.
    """
    given = {"prefix": prefix, "limit": limit}
    rows = ask("ids_like", load("ids_like"), project=project, parameters=given)
    return sorted(user_id for (user_id,) in rows)


def _deadline() -> float:
    """The queries of a list have the time of one."""
    return time.monotonic() + settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS


class _Which(NamedTuple):
    """The people of a list: a condition in SQL on rows of `users`, and its parameters."""

    project: int
    name: str
    condition: str
    parameters: Mapping[str, Any]
    prefix: str
    until: float

    def ask(self, query: str, condition: str, **given: Any) -> list[list[Any]]:
        if self.prefix:  # without one, no ids are read to find a page
            condition = f"{condition} AND startsWith(user_id, {{page_prefix:String}})"
        sql = load(query).replace("/*asked*/ 1", condition)
        parameters = {**self.parameters, "page_prefix": self.prefix, **given}
        return ask(self.name, sql, project=self.project, parameters=parameters, until=self.until)


def _people(which: _Which, limit: int, cursor: Cursor | None) -> People:
    at, user_hash = cursor or Cursor(_MOST, _MOST_HASH)
    place = {"page_at": at, "page_hash": user_hash, "page_limit": limit + 1}
    rows = which.ask("people_page", which.condition, **place)
    page = [Cursor(int(at), int(user_hash)) for user_hash, at, _ in rows[:limit]]
    if rows:
        total = rows[0][2]
    elif cursor is None:
        total = 0
    else:  # those after the cursor have come again, and are before it now
        [[total]] = which.ask("people_count", which.condition)
    following = _text(page[-1]) if len(rows) > limit else None
    return People(int(total), _persons(which, page), following)


def _persons(which: _Which, page: list[Cursor]) -> list[Person]:
    """The people of these places, in this order. Where two ids share a hash, both of them."""
    if not page:
        return []
    places = {place.user_hash: number for number, place in enumerate(page)}
    rows = which.ask("people_of_hashes", "1", page_hashes=[*places])
    rows.sort(key=lambda row: (places[int(row[0])], row[1]))
    return [Person(*texts) for _, *texts in rows]


def _text(cursor: Cursor) -> str:
    return encoded(f"{_WORD} {cursor.at} {cursor.user_hash}")


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= most):
        raise ValueError
    return int(text)
