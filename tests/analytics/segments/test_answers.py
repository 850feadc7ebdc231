"""What segments find: each against an oracle in Python, and each with its opposite."""

import random
import time
import uuid
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import export, reports
from analytics.segments.parsing import MAX_LENGTH, parse_segments
from analytics.segments.patterns import written_out
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics import said
from tests.analytics.comparison import OWN, Question, compare_answers, matching, parsed
from tests.analytics.histories import ASKED_FOR, TYPES, USERS, made_up
from tests.analytics.oracle import Event
from tests.analytics.said import Said
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)
# A value of each kind that a property can have, and none.
VALUES: dict[str, dict[str, Any]] = {
    "number": {"a": 42},
    "float": {"a": 42.5},
    "large": {"a": 2**53 + 1},
    "huge": {"a": 1e30},
    "text": {"a": "Text"},
    "12": {"a": "12"},
    "1e3": {"a": "1e3"},
    "large text": {"a": "9007199254740993"},
    "NaN": {"a": "NaN"},
    "inf": {"a": "inf"},
    "007": {"a": "007"},
    "empty": {"a": ""},
    "list": {"a": [42]},
    "object": {"a": {"b": 42}},
    "true": {"a": True},
    "null": {"a": None},
    "none": {},
}
WITHOUT = {"object", "null", "none"}
ALL = {*VALUES}
NO_NUMBERS = WITHOUT | {"text", "NaN", "inf", "007", "empty", "list", "true"}


def put(events: list[Event]) -> None:
    engine.insert_block(token=str(uuid.uuid4()), body=framed([event(**one) for one in events]))


def types(client: Client, *segments: str, **groups: list[str]) -> set[str]:
    """The types of the events that match, each of which there is once."""
    days = [("from", str(FIRST)), ("to", str(LAST)), ("limit", "1000")]
    parts = [("segment", it) for it in segments]
    parts += [(f"or.{name[1:]}", it) for name, group in groups.items() for it in group]
    answer = client.get(f"/stats/top-events?{urlencode([*days, *parts])}")
    assert answer.status_code == 200, answer.content
    assert {row["count"] for row in answer.json()} <= {1}
    return {row["event_type"] for row in answer.json()}


@pytest.fixture
def values() -> None:
    put(
        [
            {
                "occurred_at": "2025-01-06T10:00:00Z",
                "event_type": name,
                "user_id": f"u-{name}",
                # ClickHouse would misread the other keys in the name of a subcolumn.
                "properties": {
                    key: it for value in given.values() for key, it in [("a", value), ("[", value)]
                },
            }
            for name, given in VALUES.items()
        ]
    )


OPERATORS: list[tuple[str, set[str]]] = [
    ("properties.a:42", {"number"}),
    ("not(properties.a):42", ALL - {"number"}),
    ("not(properties.a.b):42", ALL - {"object"}),
    ("in(properties.a):42,Text,nothing", {"number", "text"}),
    ("notin(properties.a):42,Text", ALL - {"number", "text"}),
    ("in(properties.a):,true", {"empty", "true"}),
    ("contains(properties.a):e", {"text", "1e3", "huge", "true"}),
    ("contains(properties.a):T", {"text"}),
    ("icontains(properties.a):T", {"text", "true"}),
    ("contains(properties.a):42", {"number", "float"}),
    ("match(properties.a):^[0-9]+$", {"number", "large", "12", "large text", "007"}),
    ("match(properties.a):(?i)^t", {"text", "true"}),
    ("gt(properties.a):42", {"float", "large", "large text", "huge", "1e3"}),
    ("ge(properties.a):42", {"number", "float", "large", "large text", "huge", "1e3"}),
    ("ge(properties.a):41.5", {"number", "float", "large", "large text", "huge", "1e3"}),
    ("gt(properties.a):41.5", {"number", "float", "large", "large text", "huge", "1e3"}),
    ("ge(properties.a):42.25", {"float", "large", "large text", "huge", "1e3"}),
    ("lt(properties.a):42.5", {"12", "number"}),
    ("le(properties.a):41.5", {"12"}),
    ("le(properties.a):12.5", {"12"}),
    ("lt(properties.a):42", {"12"}),
    ("le(properties.a):42", {"12", "number"}),
    ("gt(properties.a):9007199254740992", {"large", "large text", "huge"}),
    ("gt(properties.a):9007199254740993", {"huge"}),
    ("lt(properties.a):1e308", ALL - NO_NUMBERS),
    ("gt(properties.a):1e308", set()),
    ("set(properties.a)", ALL - WITHOUT),
    ("unset(properties.a)", WITHOUT),
    ("set(user_id)", ALL),
    ("unset(event_type)", set()),
    ("in(event_type):text,list", {"text", "list"}),
    ("notin(user_id):u-text,u-list", ALL - {"text", "list"}),
    ("contains(user_id):-n", {"number", "null", "none"}),
    ("icontains(user_id):-N", {"number", "null", "none", "NaN"}),
    ("match(user_id):-i.f$", {"inf"}),
    ("gt(event_type):500", {"1e3"}),
    ("lt(event_type):500", {"12"}),
    ("did(text)", {"text"}),
    ("didnot(text)", ALL - {"text"}),
    ("did(text,n>=2)", set()),
    ("did(text,26d)", {"text"}),
    ("did(text,25d)", set()),
]


def test_an_operator_finds_its_events_and_no_others(client: Client, values: None) -> None:
    for segment, found in OPERATORS:
        for there in {segment, segment.replace("properties.a", "properties.[")}:
            assert types(client, there) == found, there


def test_of_a_group_one_alternative_must_hold(client: Client, values: None) -> None:
    numbers, words = ["properties.a:42", "properties.a:1e30"], ["set(properties.b)", "did(huge)"]
    assert types(client, _1=numbers) == {"number", "huge"}
    assert types(client, _1=numbers, _22=words) == {"huge"}
    assert types(client, "not(event_type):huge", _1=numbers) == {"number"}


def test_segments_that_contradict_each_other_find_nobody(client: Client, values: None) -> None:
    assert types(client, "properties.a:42", "not(properties.a):42") == set()
    assert types(client, "set(properties.a)", "unset(properties.a)") == set()
    assert types(client, "gt(properties.a):5", "lt(properties.a):5") == set()
    assert types(client, "did(text)", "didnot(text)") == set()


def test_users_who_did_something_are_counted_in_every_report(client: Client) -> None:
    put(
        [
            {"occurred_at": f"2025-01-{day:02}T10:00:00Z", "event_type": name, "user_id": user}
            for user, name, day in [
                *[("a", "buy", 7), ("a", "buy", 8), ("a", "view", 20), ("a", "view", 27)],
                *[("b", "buy", 8), ("b", "view", 20), ("c", "view", 20)],
            ]
        ]
    )
    query = "from=2025-01-20&to=2025-01-20&segment="
    for segment, users in [
        ("did(buy)", 2),
        ("did(buy,n>=2)", 1),
        ("did(buy,13d)", 2),
        ("did(buy,12d)", 0),
        ("did(buy,n>=2,14d)", 1),
        ("did(buy,n>=2,13d)", 0),
        ("didnot(buy)", 1),
    ]:
        [row] = client.get(f"/stats/dau?{query}{segment}").json()
        assert row["unique_users"] == users, segment
    asked = "/stats/retention?start_date=2025-01-06&windows=1&segment=did(buy,n>=2)"
    [cohort] = client.get(asked).json()
    assert (cohort["week_0"], cohort["week_1"]) == (1, 0.0)


def test_a_user_counts_once_a_day_whatever_types_a_segment_lets_in(client: Client) -> None:
    at = "2025-01-20T10:00:00Z"
    put([{"occurred_at": at, "event_type": name, "user_id": "a"} for name in ("buy", "view", "x")])
    query = "/stats/dau?from=2025-01-20&to=2025-01-20"
    for segments in (
        "&segment=in(event_type):buy,view",
        "&segment=not(event_type):x",
        "&segment=contains(event_type):e&segment=event_type:view",
        "&or.1=event_type:buy&or.1=event_type:view",
        "&segment=didnot(nothing)&segment=set(event_type)",
    ):
        assert client.get(query + segments).json()[0]["unique_users"] == 1, segments


def test_the_day_before_the_first_is_in_the_history_of_a_user(client: Client) -> None:
    """1969-12-31 in São Paulo, which ClickHouse's days can't hold."""
    for name, at in [("buy", "1970-01-01T01:00:00Z"), ("view", "2025-01-20T10:00:00Z")]:
        put([{"occurred_at": at, "event_type": name, "user_id": "a"}])
    query = "/stats/top-events?from=2025-01-20&to=2025-01-20&tz=America/Sao_Paulo&segment="
    for segment, found in [
        ("did(buy)", 1),
        ("did(buy,36600d)", 1),
        ("did(buy,20000d)", 0),
        ("didnot(buy)", 0),
    ]:
        assert len(client.get(query + segment).json()) == found, segment


def test_an_event_is_as_long_ago_as_it_is_in_the_zone_of_the_report(client: Client) -> None:
    """In Kathmandu it was the 8th already."""
    for name, at in [("buy", "2025-01-07T20:00:00Z"), ("view", "2025-01-20T10:00:00Z")]:
        put([{"occurred_at": at, "event_type": name, "user_id": "a"}])
    query = "/stats/dau?from=2025-01-20&to=2025-01-20&segment=did(buy,13d)&segment=event_type:view"
    assert client.get(query).json()[0]["unique_users"] == 0
    assert client.get(f"{query}&tz=Asia/Kathmandu").json()[0]["unique_users"] == 1


# --- against the oracle


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    moments = st.datetimes(datetime(2025, 1, 1), datetime(2025, 2, 1))
    one = st.fixed_dictionaries(
        {
            "event_id": st.uuids().map(str),
            "occurred_at": moments.map(lambda it: it.isoformat(timespec="milliseconds") + "Z"),
            "user_id": USERS,
            "event_type": TYPES,
            "properties": said.PROPERTIES,
        }
    )
    return draw(st.lists(one, min_size=30, max_size=30, unique_by=lambda it: it["event_id"]))


@settings(made_up, max_examples=(ASKED_FOR or 6) // 3)
@given(histories(), st.lists(said.segments, min_size=40, max_size=40))
def test_reports_and_the_export_are_what_the_oracle_says(
    events: list[Event], asked: list[Said]
) -> None:
    empty_clickhouse()
    put(events)
    for one, other, third, fourth in zip(*[iter(asked)] * 4, strict=True):
        for alone, groups in [((one,), ()), ((other, third), ()), ((), ((third, fourth),))]:
            span = (date(2025, 1, 3), date(2025, 1, 29))
            question = Question(
                *(alone, *span, 5, date(2024, 12, 30), 3, date(2025, 1, 29)), groups=groups
            )
            compare_answers(events, question)
            blocks = export.events(
                project=DEFAULT, start=span[0], end=span[1], segments=parsed(question)
            )
            found = {text for block in blocks for text in block.event_id}
            expected = matching(events, question, last=span[1], zone="UTC")
            days = (str(span[0]), f"{span[1]}T24")
            assert found == {
                it["event_id"] for it in expected if days[0] <= it["occurred_at"] < days[1]
            }, (alone, groups)


@pytest.fixture(scope="module")
def many() -> list[Event]:
    """The same each time: some hundred events, of which hypothesis would make few alike."""
    chance = random.Random(1)
    values = [*said.TEXTS, *said.NUMBERS, True, False, None, [], [42], {}, {"a": 42}]
    return [
        {
            "occurred_at": f"2025-01-{chance.randint(1, 31):02}T12:00:00.000Z",
            "user_id": f"u{chance.randint(1, 40)}",
            "event_type": chance.choice(["view", "buy"]),
            "properties": {
                **({"plan": chance.choice(values)} if chance.random() < 0.8 else {}),
                **({"page": {"section": chance.choice(values)}} if chance.random() < 0.5 else {}),
                **({"x[`^": chance.choice(values)} if chance.random() < 0.5 else {}),
            },
        }
        for _ in range(400)
    ]


def counted(*segments: str) -> int:
    rows = reports.top_events(
        project=DEFAULT,
        zone=OWN,
        start=FIRST,
        end=LAST,
        limit=100,
        segments=parse_segments(segments),
    )
    return sum(row.events for row in rows)


def test_a_segment_and_its_opposite_are_all_events(many: list[Event]) -> None:
    put(many)

    @settings(made_up, max_examples=ASKED_FOR or 12)
    @given(said.with_opposite())
    def look(pair: tuple[Said, Said]) -> None:
        one, other = (counted(it.text) for it in pair)
        assert one + other == len(many), pair
        assert counted(pair[0].text, pair[1].text) == 0

    look()
    for text in (
        "set(properties.plan)",
        "did(buy,n>=6)",
        "in(event_type):buy,x",
        "properties.plan:7",
    ):
        assert 0 < counted(text) < len(many)


@pytest.mark.parametrize("path", ["plan", "page.section", "x[`^"])
def test_numbers_are_less_or_equal_or_greater(many: list[Event], path: str) -> None:
    put(many)
    field = f"properties.{path}"
    numbers = counted(f"gt({field}):-1e308") + counted(f"le({field}):-1e308")
    assert numbers > 0
    for limit in said.LIMITS:
        greater, less = counted(f"gt({field}):{limit}"), counted(f"lt({field}):{limit}")
        equal = counted(f"ge({field}):{limit}", f"le({field}):{limit}")
        assert greater + equal + less == numbers, limit
        assert greater + equal == counted(f"ge({field}):{limit}"), limit


# --- bounds


def test_the_longest_lists_are_answered(client: Client, values: None) -> None:
    listed = ",".join(["42", *map(str, range(100, 3_400))])
    assert len(listed) <= MAX_LENGTH - len("in(properties.a):")
    assert types(client, f"in(properties.a):{listed}") == {"number"}
    assert types(client, f"notin(properties.a):{listed}") == ALL - {"number"}
    assert types(client, "in(user_id):u-text" + ",x" * 7_000) == {"text"}


def test_fifty_conditions_are_answered(client: Client, values: None) -> None:
    kinds = [
        *("in(properties.a):42,Text", "match(properties.a):^[4T]", "ge(properties.x[):1"),
        *("did(text,n>=2,7d)", "not(properties.x[):1", "icontains(user_id):U", "set(properties.c)"),
        *("didnot(list)", "unset(properties.a.b)", "contains(event_type):e"),
    ]
    groups = {f"_{number}": kinds for number in range(1, 6)}
    assert types(client, **groups) == ALL


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("(", "missing )"),
        ("(?=a)b", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a**", "bad repetition operator"),
        ("(a{50}){21}", "invalid repetition size"),
        ("[b-a]", "invalid character class range"),
        ("(?<error: >a", "invalid named capture"),
    ],
)
def test_a_pattern_that_clickhouse_refuses_is_a_bad_request(
    client: Client, pattern: str, complaint: str
) -> None:
    parts = [("from", "2025-01-01"), ("to", "2025-01-02"), ("or.3", "user_id:a")]
    query = urlencode([*parts, ("or.3", f"match(properties.a):{pattern}")])
    answer = client.get(f"/stats/dau?{query}")
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["parameter"] == "or.3"
    assert error["message"].startswith(f"alternative 2: the pattern can't be used: {complaint}")


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("^/blog/[0-9]+$", 14),
        ("a{3}b{2,5}c{2,}", 3 + 5 + 2),
        ("((ab{10}){10}c){2}", 2 * (2 + 10 * (2 + 11) + 1)),
        (r"\pN{950}", 95_000),
        (r"\p{Greek}[^\pL\\p]{2}", 100 + 2 * (9 + 100)),
        (r"\Qa{9}\E\x{1f600}{3}\{9}[{9}]", 8 + 3 + 3 + 5),
        ("[]{9}]{2}[^][:alpha:]]", 12 + 13),
        ("a{9b)(c", 7),
    ],
)
def test_repetitions_count_as_if_they_were_written_out(pattern: str, size: int) -> None:
    assert written_out(pattern) == size


@pytest.mark.parametrize("pattern", [r"\pN{950}", r"(?:\PL\PN){11}", "(?:abcdef){334}", r"\pL{21}"])
def test_patterns_that_are_too_large_together_are_refused_at_once(
    client: Client, pattern: str
) -> None:
    began = time.monotonic()
    groups = {f"or.{n}": [f"match(properties.a):{pattern}"] * 10 for n in range(1, 6)}
    query = urlencode({"from": str(FIRST), "to": str(LAST), **groups}, doseq=True)
    answer = client.get(f"/stats/dau?{query}")
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["parameter"] == "or.1"
    assert "more than 2,000 characters in all" in error["message"]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("pattern", "times"), [(r"\pL{10}z", 1), (r"\pL", 19), (".{950}z", 2), ("(?i)[a-z]{100}z", 3)]
)
def test_the_largest_patterns_are_answered_in_time(
    client: Client, pattern: str, times: int
) -> None:
    texts = [f"{n} Життя {'ab' * (n % 200)}" for n in range(2_000)]
    put(
        [
            {"occurred_at": "2025-01-06T10:00:00Z", "event_type": "x", "properties": {"a": it}}
            for it in texts
        ]
    )
    query = urlencode(
        [("from", str(FIRST)), ("to", str(LAST))]
        + [
            ("segment" if times <= 10 else f"or.{n % 5 + 1}", f"match(properties.a):{pattern}{n}")
            for n in range(times)
        ]
    )
    began = time.monotonic()
    assert client.get(f"/stats/dau?{query}").status_code == 200
    assert time.monotonic() - began < 20


def test_a_pattern_that_is_endless_elsewhere_is_not_here(client: Client) -> None:
    at = "2025-01-06T10:00:00Z"
    put([{"occurred_at": at, "event_type": "long", "properties": {"a": "a" * 50_000 + "b"}}])
    began = time.monotonic()
    assert types(client, "match(properties.a):^(a+)+$") == set()
    assert types(client, "match(properties.a):(x+x+)+y|(a|aa)+b$") == {"long"}
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("parameter", "text", "complaint"),
    [
        ("segment", "gt(properties.a):x", "segment 1: gt(…) needs a number"),
        ("segment", "nott(properties.a):x", "segment 1: there is no operator nott"),
        ("segment", "did(a,b)", "(at character 7)"),
        ("or.1", "set(properties.a):x", "alternative 1: set(…) must end with )"),
        ("or.999", "saved(nobody's)", 'alternative 1: there is no saved segment "nobody\'s"'),
        ("or.0", "user_id:a", "unknown parameter"),
        ("or.1000", "user_id:a", "unknown parameter"),
        ("or", "user_id:a", "unknown parameter"),
    ],
)
def test_a_wrong_segment_is_refused_by_its_parameter(
    client: Client, parameter: str, text: str, complaint: str
) -> None:
    days = {"from": "2025-01-01", "to": "2025-01-02"}
    start = {"start_date": "2025-01-01"}
    for report, own in [("dau", days), ("top-events", days), ("retention", start)]:
        answer = client.get(f"/stats/{report}?{urlencode({**own, parameter: text})}")
        assert answer.status_code == 400
        [error] = answer.json()["errors"]
        assert error["parameter"] == parameter
        assert complaint in error["message"]
