"""Discovery: each answer is what counting by hand gives, and each path is one for a segment."""

import uuid
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.discovery import finding
from analytics.discovery.looking import Look, Question
from analytics.segments.parsing import parse_field
from analytics.zones import Zone
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics import said
from tests.analytics.comparison import OWN, deliver
from tests.analytics.discovery import counted
from tests.analytics.histories import ASKED_FOR, TYPES, USERS, made_up
from tests.analytics.oracle import Event
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

DAY = "2025-01-06T10:00:00Z"
RANGE = {"from": "2025-01-01", "to": "2025-01-31"}


def put(*events: Event) -> None:
    sent = [event(**{"occurred_at": DAY, **one}) for one in events]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))


def put_properties(*properties: dict[str, Any]) -> None:
    put(*({"properties": one} for one in properties))


def asked(client: Client, url: str, **parameters: str) -> Any:
    answer = client.get(f"{url}?{urlencode({**RANGE, **parameters})}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def paths(client: Client, **parameters: str) -> dict[str, list[str]]:
    found = asked(client, "/properties", **parameters)["properties"]
    return {row["path"]: row["types"] for row in found}


def values(client: Client, path: str, **parameters: str) -> list[tuple[str, int]]:
    found = asked(client, "/properties/values", path=path, **parameters)["values"]
    return [(row["value"], row["events"]) for row in found]


# --- over HTTP


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_event_types_come_with_their_counts_and_days(client: Client, zone: str) -> None:
    """From the rollup, and from the events."""
    for name, day in [("view", 6), ("view", 8), ("buy", 7), ("View all", 7), ("view", 31)]:
        put({"event_type": name, "occurred_at": f"2025-01-{day:02}T12:00:00Z"})
    assert asked(client, "/event-types", to="2025-01-30", tz=zone) == {
        "from": "2025-01-01",
        "to": "2025-01-30",
        "more": False,
        "event_types": [
            {"event_type": name, "events": events, "first_day": first, "last_day": last}
            for name, events, first, last in [
                ("view", 2, "2025-01-06", "2025-01-08"),
                ("View all", 1, "2025-01-07", "2025-01-07"),
                ("buy", 1, "2025-01-07", "2025-01-07"),
            ]
        ],
    }
    found = asked(client, "/event-types", prefix="VIEW", limit="1", tz=zone)
    assert [row["event_type"] for row in found["event_types"]] == ["view"]
    assert found["more"] is True


def test_properties_come_with_the_types_of_their_values(client: Client) -> None:
    put(
        {
            "event_type": "view",
            "properties": {
                "page": {"section": "news"},
                "plan": 1,
                "of 64 bits": 2**64 - 1,
                "half": 0.5,
            },
        },
        {"event_type": "buy", "properties": {"plan": "pro", "paid": True}},
        {"event_type": "buy", "occurred_at": "2025-01-01T00:00:00Z", "properties": {"tags": ["a"]}},
        {"occurred_at": "2025-01-31T23:59:59.999Z", "properties": {"late": 1}},
        {"occurred_at": "2024-12-31T23:59:59.999Z", "properties": {"too early": 1}},
        {"event_type": "buy", "occurred_at": "2025-02-01T00:00:00Z", "properties": {"too late": 1}},
    )
    assert asked(client, "/properties") == {
        "from": "2025-01-01",
        "to": "2025-01-31",
        "more": False,
        "complete": True,
        "one_in": 1,
        "properties": [
            {"path": "half", "types": ["number"]},
            {"path": "late", "types": ["number"]},
            {"path": "of 64 bits", "types": ["number"]},
            {"path": "page.section", "types": ["text"]},
            {"path": "paid", "types": ["boolean"]},
            {"path": "plan", "types": ["number", "text"]},
            {"path": "tags", "types": ["array"]},
        ],
    }
    assert paths(client, event_type="buy", prefix="PL") == {"plan": ["text"]}
    assert paths(client, prefix="section") == {}


@pytest.mark.parametrize("key", ["country", "country["])
def test_values_come_most_frequent_first(client: Client, key: str) -> None:
    """A key with a bracket is read from the text of the properties."""
    sent = ["UA", "UA", "us", "DE", "Ukraine", 42, 42.0, "42", True, False, None, [1]]
    put(
        *(
            {"event_type": "view" if n else "buy", "properties": {key: one}}
            for n, one in enumerate(sent)
        )
    )
    assert asked(client, "/properties/values", path=key, prefix="u") == {
        "from": "2025-01-01",
        "to": "2025-01-31",
        "more": False,
        "complete": True,
        "one_in": 1,
        "values": [
            {"value": "UA", "events": 2},
            {"value": "Ukraine", "events": 1},
            {"value": "us", "events": 1},
        ],
    }
    assert values(client, key, limit="2") == [("42", 3), ("UA", 2)]
    assert values(client, key, event_type="buy") == [("UA", 1)]
    assert values(client, key, prefix="t") == [("true", 1)]
    assert values(client, key, prefix="f") == [("false", 1)]
    assert values(client, "nobody.sent") == []


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_without_a_range_the_last_thirty_days_of_the_zone_are_asked_for(
    client: Client, zone: str
) -> None:
    before = datetime.now(ZoneInfo(zone)).date()
    answer = client.get(f"/event-types?tz={zone}").json()
    after = datetime.now(ZoneInfo(zone)).date()
    assert before <= date.fromisoformat(answer["to"]) <= after
    assert date.fromisoformat(answer["to"]) - date.fromisoformat(answer["from"]) == timedelta(29)
    early = client.get("/properties?to=1970-01-02").json()
    assert (early["from"], early["to"]) == ("1970-01-01", "1970-01-02")


def test_each_answer_is_a_table_too(client: Client) -> None:
    """A row also has what is said about all of them."""
    put({"event_type": "=view", "properties": {"plan": 1}})
    put({"event_type": "=view", "properties": {"plan": "pro"}})
    span = "2025-01-01,2025-01-31,false"
    for url, name, lines in [
        (
            "/event-types?x",
            "event-types",
            [
                "event_type,events,first_day,last_day,from,to,more",
                f"'=view,2,2025-01-06,2025-01-06,{span}",
            ],
        ),
        (
            "/properties?x",
            "properties",
            ["path,types,from,to,more,complete,one_in", f"plan,number text,{span},true,1"],
        ),
        (
            "/properties/values?path=plan",
            "values",
            [
                "value,events,from,to,more,complete,one_in",
                *(f"{value},1,{span},true,1" for value in ("1", "pro")),
            ],
        ),
    ]:
        answer = client.get(f"{url.removesuffix('x')}&{urlencode(RANGE)}&format=csv")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == f'attachment; filename="{name}.csv"'
        assert answer.content.decode().split("\r\n") == [*lines, ""]
        none = client.get(f"{url.removesuffix('x')}&{urlencode(RANGE)}&format=csv&prefix=zzz")
        assert none.content.decode() == f"{lines[0]}\r\n"


def test_nothing_is_found_where_there_is_nothing(client: Client) -> None:
    assert asked(client, "/event-types")["event_types"] == []
    assert asked(client, "/properties")["properties"] == []
    put_properties({}, {"a": None, "b": {}, "c": {"d": None}})
    assert paths(client) == {}
    assert values(client, "a") == values(client, "b") == []
    assert asked(client, "/properties", prefix="x")["complete"] is True


# --- odd keys and values

DEEP = {"1": {"2": {"3": {"4": {"5": {"6": {"7": {"8": "deep"}}}}}}}}
# The keys of a property that has a text, each beside others that look like it.
ODD: dict[str, dict[str, Any]] = {
    "dot": {"a.b": "dot", "a": {"b": "nested"}},
    "dots": {"..": "dots", ".": {".": "x"}},
    "empty": {"": "empty"},
    "empty in another": {"a": {"": "empty in another"}},
    "empty three times": {"": {"": {"": "empty three times"}}},
    "brackets": {"x[]": "brackets", "[0]": "x"},
    "backtick": {"b`c": "backtick", "`": {"`": "x"}},
    "quotes": {"q'q\"q": "quotes"},
    "emoji": {"😀": "emoji", "ÅSTRÖM 👩‍👩‍👧": "x"},
    "caret": {"^a": "caret", "a^": "x"},
    "signs": {"a:b=c\\d": "signs", ":": "x", "=": "x", "\\": "x", "\\.": "x"},
    "a type": {":`Int64`": "a type", "a.:`String`": "x"},
    "space": {" a\nb\t": "space"},
    "percent": {"%2e%": "percent", "%": "x"},
    "slash": {"a/b/values": "slash", "..": {"..": "x"}},
    "null": {"null": "null", "properties": "x", "size0": "x"},
    "deep": DEEP,
    "long": {"ж" * 990: "long"},
}


def test_a_path_is_one_for_a_segment_however_odd_its_keys(client: Client) -> None:
    put(*({"event_type": name, "properties": odd} for name, odd in ODD.items()))
    for name, odd in ODD.items():
        found = paths(client, event_type=name)
        assert found == dict(counted.properties([{"properties": odd}])), name
        [path] = [it for it in found if values(client, it, event_type=name) == [(name, 1)]]
        rows = asked(client, "/stats/top-events", segment=f"properties.{path}:{name}")
        assert rows == [{"event_type": name, "count": 1}], path
        assert path in paths(client, event_type=name, prefix=path[:3].upper())


def test_more_paths_than_a_part_has_columns_are_all_found(client: Client) -> None:
    """128 have columns of their own; the others share one."""
    keys = [f"key {n:03}" for n in range(300)]
    for some in (keys[:200], keys[100:]):
        put_properties({key: f"value of {key}" for key in some})
    assert list(paths(client, limit="1000")) == keys
    assert {path for path, types in paths(client, limit="1000").items() if types == ["text"]} == {
        *keys
    }
    for key in (keys[0], keys[150], keys[299]):
        count = 2 if key == keys[150] else 1
        assert values(client, key) == [(f"value of {key}", count)]
    found = asked(client, "/properties", limit="7", prefix="KEY 1")
    assert [row["path"] for row in found["properties"]] == keys[100:107]
    assert found["more"] is True


def test_a_key_with_more_types_than_have_columns_has_all_its_values(client: Client) -> None:
    """Of these 35, some share a column."""
    sent: list[Any] = [1, 1.5, "text", True, {"a": 1}, 2**63]
    for _ in range(6):
        sent += [[value] for value in sent[-6:]]
    put_properties(*({"z": value} for value in sent))
    assert paths(client, prefix="z")["z"] == ["array", "boolean", "number", "text"]
    assert values(client, "z") == [
        (text, 1) for text in ("1", "1.5", "9223372036854775808", "text", "true")
    ]


def test_what_nobody_would_choose_from_a_list_is_left_out(client: Client) -> None:
    put_properties({"a": "ж" * 1_000, "k" * 1_000: 1}, {"a": "ж" * 1_001, "k" * 1_001: 1})
    assert values(client, "a") == [("ж" * 1_000, 1)]
    assert list(paths(client)) == ["a", "k" * 1_000]


def test_a_prefix_is_text_in_capital_or_small_letters(client: Client) -> None:
    texts = ["ЖИТТЯ", "життя", "Straße", "ΌΔΟΣ", "όδος", "100%", "_a", "\\", "'; --"]
    texts += ["{x:String}", "line\nbreak", "tab\t"]
    put(*({"event_type": f"t{n}", "properties": {"a": it}} for n, it in enumerate(texts)))
    for prefix, found in [
        ("ж", ["ЖИТТЯ", "життя"]),
        ("STRASSE", ["Straße"]),
        ("όδο", ["ΌΔΟΣ", "όδος"]),
        ("100%", ["100%"]),
        ("%", []),
        ("_", ["_a"]),
        (".*", []),
        ("\\", ["\\"]),
        ("'", ["'; --"]),
        ("{x:String}", ["{x:String}"]),
        ("line\nb", ["line\nbreak"]),
        ("tab\t", ["tab\t"]),
    ]:
        assert [value for value, _ in values(client, "a", prefix=prefix)] == found, prefix


# --- against counting by hand


MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2025, 2, 1))
EVENTS = st.fixed_dictionaries(
    {
        "occurred_at": MOMENTS.map(lambda it: it.isoformat(timespec="milliseconds") + "Z"),
        "user_id": USERS,
        "event_type": TYPES,
        "properties": said.PROPERTIES,
    }
)
PREFIXES = st.sampled_from(
    ["", "", "b", "BUY", "в", "p", "page.", "PAGE\\.", "x[", "4", "ж", "tr", "1e"]
)


@settings(made_up, max_examples=ASKED_FOR or 6)
@given(st.lists(EVENTS, min_size=15, max_size=30), st.data())
def test_every_answer_is_what_counting_by_hand_gives(
    events: list[Event], data: st.DataObject
) -> None:
    empty_clickhouse()
    deliver(events, blocks=2, again=True)
    for _ in range(2):
        start = data.draw(st.dates(date(2024, 12, 30), date(2025, 1, 31)))
        end = start + timedelta(days=data.draw(st.sampled_from([0, 1, 7, 40])))
        zone = data.draw(st.sampled_from([OWN, Zone("UTC"), Zone("Asia/Kathmandu")]))
        prefix, event_type = data.draw(PREFIXES), data.draw(st.none() | TYPES)
        assert_as_counted(events, Question(DEFAULT, zone, start, end, event_type), prefix)


def assert_as_counted(events: list[Event], question: Question, prefix: str) -> None:
    here = counted.within(events, question.start, question.end, question.zone.name)
    types = finding.event_types(question, prefix=prefix, limit=1_000)
    assert types.rows == counted.event_types(here, question.zone.name, prefix)
    if question.event_type:
        here = [one for one in here if one["event_type"] == question.event_type]
    found = finding.properties(question, prefix=prefix, limit=1_000)
    assert found.seen == Look(question.start, question.end)
    assert found.rows == counted.properties(here, prefix)
    for keys in said.PATHS:
        field = parse_field(said.written(keys))
        of_it = finding.values(question, field, prefix=prefix, limit=1_000)
        assert of_it.rows == counted.values(here, keys, prefix), keys
