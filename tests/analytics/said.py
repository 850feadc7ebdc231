"""Segments as hypothesis makes them up: each as a text, and as what it says in plain Python.

Nothing here comes from the parser or the translator, so that the two are compared with it.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.analytics import oracle
from tests.analytics.oracle import Event

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# Floats that Python and ClickHouse do not write alike.
FLOATS = {1e30: "1e30", 1e-7: "1e-7", 1e308: "1e308", 42.0: "42", 7.5: "7.5", -0.25: "-0.25"}
TEXTS = [
    *("", "42", "42.0", "12", "1e3", "1000", "NaN", "inf", "007", "+1", " 12", "-5", "true"),
    *("a,b", "a\\b", "\\", ",", "O'Brien", "line\nbreak", "tab\t", "ЖИТТЯ життя", "Straße", "ΟΔΟΣ"),
    *("100%", "a_b", '"quoted"', "9007199254740993", "123456789012345678901234", "{x:String}"),
    *("1e400", "-1e400"),
]
NUMBERS = [
    *(0, 1, 7, 12, 42, 1000, -5, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1),
    *FLOATS,
]
VALUES = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from([True, False, None, [], [42], ["a,b"], {}, {"a": 42}, {"a": None}]),
)
PATHS = [("plan",), ("note",), ("page", "section"), ("page.section",), ("a:b=c\\",), ("x[`^",)]
GIVEN = st.one_of(
    st.sampled_from(TEXTS), st.sampled_from([*FLOATS.values(), *map(str, NUMBERS[:12]), "false"])
)
LIMITS = [
    *("42", "41.5", "-5", "0", "1e3", "7.5", "1e30", "-1e308", "1e-400", "12.0"),
    *("9007199254740992", "9007199254740993", "9223372036854775807", "18446744073709551615"),
    *("9007199254740992.5", "123456789012345678901233.5", "1e-9999999999999999999"),
]
PATTERNS = ["^4", "2$", r"\d+", "(?i)життя", "a.b", "[,\\\\]", "^$", "e", "^.{2,4}$", "(a|Ж)"]


class World(NamedTuple):
    """What a segment is asked about besides the event itself."""

    events: Sequence[Event]
    last: date
    zone: str


class Said(NamedTuple):
    text: str
    holds: Callable[[Event, World], bool]


def escaped(key: str) -> str:
    return "".join(f"\\{c}" if c in ".:=\\" else c for c in key)


def listed(items: Sequence[str]) -> str:
    return ",".join("".join(f"\\{c}" if c in ",\\" else c for c in item) for item in items)


def written(path: tuple[str, ...]) -> str:
    return ".".join(["properties", *map(escaped, path)])


def found(event: Event, field: str | tuple[str, ...]) -> Any:
    """The value of the field; None if it has none, and for an object."""
    if isinstance(field, str):
        return event[field]
    value: Any = event["properties"]
    for key in field:
        value = value.get(key) if isinstance(value, dict) else None
    return None if isinstance(value, dict) else value


def is_equal(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return text == json.dumps(value)
    if isinstance(value, int | float):
        return compared(value, text) == 0
    return bool(value == text)


def as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return FLOATS[value]
    return str(value) if isinstance(value, int | str) else None


def compared(value: Any, limit: str) -> int | None:
    """-1, 0 or 1 as the value is less than a number, or equal, or greater; None if it has none."""
    if isinstance(value, bool) or not JSON_NUMBER.fullmatch(limit):
        return None
    if isinstance(value, str):
        if not JSON_NUMBER.fullmatch(value):
            return None
        if math.isinf(float(value)):
            return None
        value = int(value) if value.lstrip("-").isdigit() else float(value)
    if isinstance(value, int):
        # Decimal has no such small number.
        exact = Decimal(0 if "e-9999" in limit else limit)
        other: Any = exact + Decimal("1e-9") if "e-9999" in limit else exact
        return int(value > other) - int(value < other)
    if isinstance(value, float):
        return int(value > float(limit)) - int(value < float(limit))
    return None


def opposite(said: Said, text: str) -> Said:
    return Said(text, lambda event, world: not said.holds(event, world))


def _equals(field: str | tuple[str, ...], name: str, items: list[str], sign: str) -> list[Said]:
    def holds(event: Event, _: World) -> bool:
        return any(is_equal(found(event, field), item) for item in items)

    one = Said(f"{name}{sign}{items[0]}", lambda e, _: is_equal(found(e, field), items[0]))
    some = Said(f"in({name}){sign}{listed(items)}", holds)
    return [
        one,
        opposite(one, f"not({name}){sign}{items[0]}"),
        some,
        opposite(some, f"notin({name}){sign}{listed(items)}"),
    ]


def _looks(
    field: str | tuple[str, ...], name: str, text: str, limit: str, pattern: str
) -> list[Said]:
    def look(test: Callable[[str], bool]) -> Callable[[Event, World], bool]:
        return lambda e, _: (it := as_text(found(e, field))) is not None and test(it)

    def order(*signs: int) -> Callable[[Event, World], bool]:
        return lambda e, _: compared(found(e, field), limit) in signs

    is_set = Said(f"set({name})", lambda e, _: found(e, field) is not None)
    return [
        Said(f"contains({name}):{text}", look(lambda it: text in it)),
        Said(f"icontains({name}):{text}", look(lambda it: text.casefold() in it.casefold())),
        Said(f"match({name}):{pattern}", look(lambda it: _matches(pattern, it))),
        Said(f"gt({name}):{limit}", order(1)),
        Said(f"ge({name}):{limit}", order(0, 1)),
        Said(f"lt({name}):{limit}", order(-1)),
        Said(f"le({name}):{limit}", order(0, -1)),
        is_set,
        opposite(is_set, f"unset({name})"),
    ]


def _matches(pattern: str, text: str) -> bool:
    """As RE2 does: a dot is any character, and $ is the end of all."""
    return re.search(pattern.replace("$", r"\Z"), text, re.DOTALL) is not None


@st.composite
def _of_property(draw: st.DrawFn) -> Said:
    path = draw(st.sampled_from(PATHS))
    name = written(path)
    items = draw(st.lists(GIVEN, min_size=1, max_size=4))
    text = draw(GIVEN.filter(bool))
    limit, pattern = draw(st.sampled_from(LIMITS)), draw(st.sampled_from(PATTERNS))
    equals = _equals(path, name, items, draw(st.sampled_from(":=")))
    chosen: Said = draw(st.sampled_from([*equals, *_looks(path, name, text, limit, pattern)]))
    return chosen


@st.composite
def _of_column(draw: st.DrawFn) -> Said:
    name, known = draw(
        st.sampled_from(
            [
                ("event_type", ["view", "buy", "Buy", "buy 2", "ввод", "12"]),
                ("user_id", ["u1", "u2", "U1", "u1 ", "Олена", "u'5", "nobody"]),
            ]
        )
    )
    items = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
    equals = _equals(name, name, items, ":")
    looks = _looks(name, name, draw(st.sampled_from(["u", "Ол", "2", "во", "B"])), "5", "[12]$")
    chosen: Said = draw(st.sampled_from([*equals, *looks]))
    return chosen


@st.composite
def _of_user(draw: st.DrawFn) -> Said:
    event_type = draw(st.sampled_from(["view", "buy", "Buy", "nobody's", "a,b"]))
    times, days = draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([None, 1, 7, 90]))
    options = [f"n>={times}"] * (times > 1) + ([f"{days}d"] if days else [])
    inner = ",".join([listed([event_type]), *options])

    def holds(event: Event, world: World) -> bool:
        first = world.last - timedelta(days=days - 1) if days else date.min
        done = [
            it
            for it in world.events
            if it["user_id"] == event["user_id"]
            and it["event_type"] == event_type
            and first <= oracle.day(it, world.zone) <= world.last
        ]
        return len(done) >= times

    did = Said(f"did({inner})", holds)
    chosen: Said = draw(st.sampled_from([did, opposite(did, f"didnot({inner})")]))
    return chosen


@st.composite
def with_opposite(draw: st.DrawFn) -> tuple[Said, Said]:
    """A segment of a property, and the one of all events that it is not of."""
    path = draw(st.sampled_from(PATHS))
    items = draw(st.lists(GIVEN, min_size=1, max_size=4))
    one, no_one, some, no_some = _equals(path, written(path), items, ":")
    *_, is_set, is_unset = _looks(path, written(path), "1", "1", "1")
    did, did_not = Said("did(buy,n>=2,7d)", _never), Said("didnot(buy,n>=2,7d)", _never)
    pairs = [(one, no_one), (some, no_some), (is_set, is_unset), (did, did_not)]
    chosen: tuple[Said, Said] = draw(st.sampled_from(pairs))
    return chosen


def _never(_: Event, __: World) -> bool:
    return False


segments: st.SearchStrategy[Said] = st.one_of(
    _of_property(), _of_property(), _of_column(), _of_user()
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "plan": VALUES,
        "note": st.sampled_from(TEXTS),
        "page": st.fixed_dictionaries({"section": VALUES}),
        "page.section": st.sampled_from(["news", "home", "42"]),
        "a:b=c\\": VALUES,
        "x[`^": VALUES,
    },
)
