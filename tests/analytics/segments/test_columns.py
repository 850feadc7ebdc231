"""A property with a column of its own has the answers that it has without one."""

import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.test import Client

from analytics import export, reports
from analytics.maintenance import inventory, property_columns, surplus
from analytics.maintenance.migrate import drop_database
from analytics.queries import load_filled
from analytics.segments import columns
from analytics.segments.asked import segments_of
from analytics.segments.expressions import Comparison, Segments
from analytics.segments.parsing import parse_field, parse_segments
from analytics.segments.translating import Scope, condition
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics import said
from tests.analytics.comparison import OWN
from tests.analytics.oracle import Event
from tests.analytics.property_columns import asked, sped_up
from tests.analytics.segments.test_answers import ALL, FIRST, LAST, OPERATORS, put, types, values
from tests.clickhouse import apply_schema
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

__all__ = ["values"]  # a fixture
PATHS = ["plan", "page.section", r"page\.section", "x[`^", r"a\:b\=c\\", "", "Ж'\"\n"]
OTHER = 30_002


@pytest.fixture(scope="module", autouse=True)
def with_columns(clickhouse_schema: None) -> Iterator[None]:
    with sped_up("a", "[", "a.b", "[.b", *PATHS):
        yield


def counted(segments: Segments, *, project: int = DEFAULT) -> int:
    rows = reports.top_events(
        project=project, zone=OWN, start=FIRST, end=LAST, limit=100, segments=segments
    )
    return sum(row.events for row in rows)


def counts(given: Iterable[Segments]) -> list[int]:
    """How many events match each, by one query."""
    scope = Scope("UTC", LAST, is_rolled_up=True)
    found = [condition(it, scope, prefix=f"s{n}") for n, it in enumerate(given)]
    asked_for = ", ".join(f"countIf({it.sql})" for it in found)
    parameters = {name: value for it in found for name, value in it.parameters.items()}
    [row] = engine.query(f"SELECT {asked_for} FROM events", parameters=parameters)
    return [int(it) for it in row]


def without(*texts: str) -> Segments:
    """The segments as they are answered without columns."""
    return parse_segments(texts)


def some_of_each() -> list[Event]:
    chance = random.Random(1)
    worth: list[Any] = [
        *said.TEXTS,
        *said.NUMBERS,
        -0.0,
        1.5e300,
        True,
        False,
        None,
        [],
        ["a,b"],
        {},
    ]
    keys = ["plan", "page.section", "x[`^", "a:b=c\\", "", "Ж'\"\n"]
    return [
        {
            "occurred_at": f"2025-01-{chance.randint(1, 31):02}T12:00:00.000Z",
            "user_id": f"u{chance.randint(1, 40)}",
            "properties": {
                **{key: chance.choice(worth) for key in keys if chance.random() < 0.8},
                "page": {"section": value},
            },
        }
        for value in worth * 6
    ]


def test_an_operator_finds_the_same_events_by_the_column(client: Client, values: None) -> None:
    answered = [
        (segment, found)
        for segment, found in OPERATORS
        if segment.startswith(("properties.", "not(p", "in(p", "notin(p", "set(p", "unset(p"))
    ]
    assert len(answered) > 6
    for segment, found in answered:
        for there in (segment, segment.replace("properties.a", "properties.[")):
            assert asked(there)
            assert types(client, there) == found, there


@pytest.mark.parametrize("path", PATHS)
def test_every_value_is_found_as_without_the_column(path: str) -> None:
    put(some_of_each())
    texts = [*said.TEXTS, *said.FLOATS.values(), *map(str, said.NUMBERS), "-0", "0.0", "false"]
    field = f"properties.{path}"
    segments = [f"{field}:{text}" for text in texts]
    segments += [f"in({field}):{said.listed(texts[n::7])}" for n in range(7)]
    segments += [f"set({field})", f"unset({field})"]
    with_columns, others = counts(map(asked, segments)), counts(map(without, segments))
    assert dict(zip(segments, with_columns, strict=True)) == dict(
        zip(segments, others, strict=True)
    )
    assert 0 < with_columns[-2] < len(some_of_each())
    assert sum(with_columns[: len(texts)]) > len(some_of_each()) / 2


def test_the_longest_list_is_answered_by_the_column(client: Client, values: None) -> None:
    listed = ",".join(["42", *map(str, range(100, 3_400))])
    assert types(client, f"in(properties.a):{listed}") == {"number"}
    assert types(client, f"notin(properties.a):{listed}") == ALL - {"number"}


def test_one_comparison_of_the_column_answers_for_all_types() -> None:
    scope = Scope("UTC", LAST, is_rolled_up=True)
    found = condition(asked("properties.plan:3"), scope)
    assert found.sql.count("{") == 2
    assert "properties.plan" not in str(found.parameters)


def test_segments_inside_a_saved_one_are_answered_by_the_column(client: Client) -> None:
    saved = {"name": "cheap", "text": "or.1=properties.plan:3&or.1=event_type:x"}
    client.post("/segments", saved, content_type="application/json")
    [term, _] = asked("saved(cheap)").conditions()
    assert term.field.column == columns.name_of(parse_field("properties.plan"))  # type: ignore[union-attr]


def test_all_reports_are_the_same_by_the_column() -> None:
    put(some_of_each())
    for segments in (asked("in(properties.plan):42,7.5"), without("in(properties.plan):42,7.5")):
        given: dict[str, Any] = {"project": DEFAULT, "zone": OWN, "segments": segments}
        days = reports.daily_active_users(start=FIRST, end=LAST, **given)
        weeks = reports.retention(start=FIRST, windows=3, today=LAST, **given)
        blocks = export.events(project=DEFAULT, segments=segments)
        ids = sorted(it for block in blocks for it in block.event_id)
        assert (days, weeks, ids) == locals().get("before", (days, weeks, ids))
        before = (days, weeks, ids)
    assert ids


def test_events_from_before_the_column_have_it_as_well() -> None:
    put([{"occurred_at": "2025-01-06T10:00:00Z", "properties": {"late": 3}}])
    with sped_up("late"):
        assert counted(asked("properties.late:3")) == 1
        put([{"occurred_at": "2025-01-07T10:00:00Z", "properties": {"late": "3"}}])
        assert counted(asked("properties.late:3")) == 2
        name = columns.name_of(parse_field("properties.late"))
        [[parts, with_column]] = engine.query(
            "SELECT uniqExact(name), uniqExactIf(name, column = {column:String})"
            " FROM system.parts_columns WHERE active AND table = 'events'"
            " AND database = currentDatabase()",
            parameters={"column": name},
        )
        assert parts == with_column > 1
    assert counted(without("properties.late:3")) == 2


def test_parts_that_have_no_column_yet_are_answered_right() -> None:
    put([{"occurred_at": "2025-01-06T10:00:00Z", "properties": {"unwritten": 3}}])
    field = parse_field("properties.unwritten")
    given: dict[str, object] = {}

    def bind(name: str, type_name: str, value: object) -> str:
        given[name] = value
        return f"{{{name}:{type_name}}}"

    texts = {"table": "events", "column": columns.name_of(field), "on cluster": ""}
    texts["value"] = columns.value_in(field, bind)
    engine.command(load_filled("property_add", texts), parameters=given)
    try:
        own = replace(field, column=texts["column"])
        segments = Segments(((Comparison(own, "is", ("3",)),),))
        assert counted(segments) == 1
        [column_now] = [
            it for it in property_columns.all_of(project=DEFAULT) if it.path == "unwritten"
        ]
        assert not column_now.is_in_use
        columns._in_use.cache_clear()
        [read] = segments_of(["properties.unwritten:3"], {}, project=DEFAULT).conditions()
        assert not read.field.column  # type: ignore[union-attr]
    finally:
        engine.command(load_filled("property_drop", texts))


def test_a_block_that_is_sent_again_counts_once_by_the_column() -> None:
    body = framed([event(occurred_at="2025-01-06T10:00:00Z", properties={"plan": 3})])
    for _ in range(2):
        engine.insert_block(token="the same", body=body)
    assert counted(asked("properties.plan:3")) == 1


def test_surplus_copies_and_deleted_rows_are_not_in_the_column() -> None:
    at = "2025-01-06T10:00:00Z"
    sent = [event(occurred_at=at, user_id=user, properties={"plan": 3}) for user in ("u1", "u2")]
    for _ in range(2):
        engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    assert counted(asked("properties.plan:3")) == 4
    surplus.remove(project=DEFAULT, zone="UTC", ids=[it["event_id"] for it in sent])
    assert counted(asked("properties.plan:3")) == 2
    engine.command("DELETE FROM events WHERE user_id = 'u1'")
    engine.command("ALTER TABLE events APPLY DELETED MASK SETTINGS mutations_sync = 2")
    assert counted(asked("properties.plan:3")) == 1
    assert inventory.counts(project=DEFAULT, start=date(2025, 1, 6), end=date(2025, 1, 6))


def test_rows_of_the_buffer_get_the_column(settings: Any) -> None:
    settings.CLICKHOUSE_USE_BUFFER = True
    put([{"occurred_at": "2025-01-06T10:00:00Z", "properties": {"plan": 3}}])
    engine.command("OPTIMIZE TABLE events_buffer")
    assert counted(asked("properties.plan:3")) == 1


def test_a_column_of_one_project_is_none_of_another() -> None:
    apply_schema(project=OTHER)
    try:
        empty_clickhouse(project=OTHER)
        assert property_columns.all_of(project=OTHER) == []
        with sped_up("only", project=OTHER):
            assert asked("properties.only:3", project=OTHER)
            [term] = segments_of(["properties.only:3"], {}, project=DEFAULT).conditions()
            assert not term.field.column  # type: ignore[union-attr]
    finally:
        drop_database(project=OTHER)


def test_a_process_learns_of_a_column_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("analytics.segments.columns.time.monotonic", lambda: now)
    columns._in_use.cache_clear()
    before = columns.in_use(project=DEFAULT)
    name = columns.name_of(parse_field("properties.plan"))
    engine.command(f"ALTER TABLE events COMMENT COLUMN {name} ''")
    try:
        assert columns.in_use(project=DEFAULT) == before
        now += columns.KEPT_SECONDS
        assert columns.in_use(project=DEFAULT) == before - {name}
    finally:
        engine.command(f"ALTER TABLE events COMMENT COLUMN {name} 'in use'")
        columns._in_use.cache_clear()
