"""Lists of people: newest first, each once, whoever comes between two pages."""

import random
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics.people.listing import Cursor, People, everyone, parse_cursor, people_of
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse")

T0 = datetime(2025, 1, 6, tzinfo=UTC)
ALL = "SELECT user_hash FROM events"


def came(*sent: tuple[str, int]) -> None:
    """Users, each with an event so many milliseconds after the beginning, in a block."""
    events = [event(user_id=user, occurred_at=at(n).replace("Z", "+00:00")) for user, n in sent]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(events))


def at(milliseconds: int) -> str:
    moment = T0 + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page(limit: int = 50, *, sql: str = ALL, following: str | None = None, **given: Any) -> People:
    cursor = parse_cursor(following) if following else None
    return people_of(
        sql, given.pop("parameters", {}), project=DEFAULT, limit=limit, cursor=cursor, **given
    )


def ids(people: People) -> list[str]:
    return [user.user_id for user in people.users]


def pages(limit: int, **given: Any) -> list[str]:
    found = page(limit, **given)
    users = ids(found)
    while found.next:
        found = page(limit, following=found.next, **given)
        users += ids(found)
        assert len(users) == len({*users})
    return users


def test_people_come_newest_first_with_their_first_and_last_moment() -> None:
    came(("a", 5), ("b", 1), ("a", 0))
    came(("b", 9), ("c", 7), ("b", 3))
    found = page()
    assert (found.total, found.next) == (3, None)
    assert [tuple(user) for user in found.users] == [
        ("b", at(1), at(9)),
        ("c", at(7), at(7)),
        ("a", at(0), at(5)),
    ]
    assert everyone(project=DEFAULT, limit=50) == found


def test_a_hash_that_is_given_often_is_one_person() -> None:
    came(*[("a", n) for n in range(9)], ("b", 1))
    sql = "SELECT user_hash FROM events UNION ALL SELECT user_hash FROM daily_users"
    assert (page(sql=sql).total, ids(page(sql=sql))) == (2, ["a", "b"])


def test_pages_have_everyone_once_also_those_of_the_same_moment() -> None:
    sent = [(f"u{n}", n // 10) for n in range(45)]
    came(*sent)
    for limit in (1, 7, 44, 45, 46):
        users = pages(limit)
        assert sorted(users) == sorted(user for user, _ in sent)
        last = dict(sent)
        assert [last[user] for user in users] == sorted(last.values(), reverse=True)


def test_whoever_stays_as_they_are_is_on_one_page_while_others_come() -> None:
    choose = random.Random(19)
    came(*[(f"stays{n}", n) for n in range(40)], *[(f"moves{n}", n) for n in range(40)])
    found, users, moment = page(7), list[str](), 100
    while True:
        users += ids(found)
        moving = [f"moves{choose.randrange(40)}" for _ in range(5)]
        came(*[(user, moment := moment + 1) for user in [*moving, f"new{moment}"]])
        if not found.next:
            break
        found = page(7, following=found.next)
        assert found.total == 80 + (moment - 100) // 6
    stayed = [user for user in users if user.startswith("stays")]
    assert stayed == [f"stays{n}" for n in reversed(range(40))]
    assert len(users) == len({*users})


def test_a_page_after_everyone_came_again_is_empty_and_still_counts() -> None:
    came(("a", 1), ("b", 2))
    following = page(1).next
    came(("a", 3))
    assert page(1, following=following) == People(2, [], None)


def test_two_ids_of_one_hash_are_both_listed() -> None:
    came(("a", 1), ("b", 2))
    engine.command(
        "INSERT INTO users SELECT user_hash, 'twin', first_at, last_at FROM users"
        " WHERE user_id = 'a'"
    )
    engine.command("OPTIMIZE TABLE users FINAL")
    found = page(1, sql="SELECT sipHash64('a')")
    assert (found.total, ids(found), found.next) == (1, ["a", "twin"], None)


def test_parameters_of_the_select_are_bound() -> None:
    came(("a'b\\", 1), ("c", 2))
    sql = "SELECT user_hash FROM events WHERE user_id = {who:String}"
    assert ids(page(sql=sql, parameters={"who": "a'b\\"})) == ["a'b\\"]


@pytest.mark.parametrize(
    ("prefix", "users"),
    [
        ("", ["é", "e", "a%b", "a_b", "A", "a"]),
        ("a", ["a%b", "a_b", "a"]),
        ("a%", ["a%b"]),
        ("a_", ["a_b"]),
        ("é", ["é"]),
        ("e", ["e"]),
        ("a'", []),
        ("\\", []),
    ],
)
def test_a_prefix_is_compared_byte_by_byte(prefix: str, users: list[str]) -> None:
    came(*[(user, n) for n, user in enumerate(["a", "A", "a_b", "a%b", "e", "é"])])
    for found in (page(prefix=prefix), everyone(project=DEFAULT, limit=9, prefix=prefix)):
        assert (ids(found), found.total) == (users, len(users))


def test_nobody_is_an_empty_list() -> None:
    assert page() == everyone(project=DEFAULT, limit=1) == People(0, [], None)


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "*",
        encoded("people 1 2") + "=",
        encoded("others 1 2"),
        encoded("people 1"),
        encoded("people 1 2 3"),
        encoded("people -1 2"),
        encoded("people 1 x"),
        encoded("people \N{ARABIC-INDIC DIGIT ONE} 2"),
        encoded(f"people 1 {2**64}"),
        encoded(f"people {2**63} 1"),
        encoded("after 2026-01-01T00:00:00+00:00"),
        encoded("2026-01-01T00:00:00+00:00 0191f5a0-0000-7000-8000-000000000001"),
        "A" * 70_000,
    ],
)
def test_a_cursor_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid cursor; use the `next` of a page"):
        parse_cursor(text)


def test_any_place_is_a_cursor() -> None:
    far = Cursor(2**63 - 1, 2**64 - 1)
    assert parse_cursor(encoded(f"people {far.at} {far.user_hash}")) == far
    came(("a", 1))
    assert ids(people_of(ALL, {}, project=DEFAULT, limit=1, cursor=far)) == ["a"]
    assert people_of(ALL, {}, project=DEFAULT, limit=1, cursor=Cursor(0, 0)).users == []
