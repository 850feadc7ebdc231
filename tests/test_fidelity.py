"""Whatever is answered 202 is in both stores as it was sent, whatever JSON a client makes up."""

import json
import uuid
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.segments.parsing import parse_segments
from analytics.segments.translating import Scope, condition
from events.models import HotEvent
from tests import clickhouse as engine
from tests.samples import event
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")

SLOWLY = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Literal(str):
    """JSON text that stands as it is."""


class Pairs(list[tuple[str, Any]]):
    """An object with its keys in order, perhaps one of them twice."""


TEXTS = st.text() | st.sampled_from(
    [
        *("", " ", "2026-01-01", "2026-01-01T00:00:00Z", "1", "-0", "1.50", "true", "null", "NaN"),
        *("\0", "\x1f", "\x7f", "\u2028", "\ufeff", "\ud800", "😀", "a.b", "a\\b", "'", '"', "`"),
    ]
)
KEYS = TEXTS | st.sampled_from(
    [
        *(
            "a",
            "b",
            "a.b",
            ".",
            "..",
            "a.",
            ".a",
            "%2E",
            "a%2Eb",
            "%2e",
            "%",
            "^a",
            "a^",
            "a[]",
            "[]",
        ),
        *(":`Int64`", "a.:`String`", "`", "size0", "null", ":", "=", "\\", "constructor", "Array"),
    ]
)
NUMBERS = st.integers().map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
LITERALS = NUMBERS | st.sampled_from(
    [
        *(
            "-0",
            "-0.0",
            "0e0",
            "1E5",
            "1e400",
            "-1e400",
            "1e-400",
            "1e-20000",
            "5e-324",
            "0e-20000",
        ),
        *("1.0000000000000000000000001", "123456789012345678901234567890.5", "9007199254740993.0"),
        *("9223372036854775807", "9223372036854775808", "-9223372036854775808"),
        *("18446744073709551615", "18446744073709551616", "-9223372036854775809"),
    ]
)
# A segment that asks for no window is the same in every report.
NOWHERE = Scope("UTC", date.max, is_rolled_up=False)
SCALARS = TEXTS | LITERALS.map(Literal) | st.booleans() | st.none()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(st.tuples(KEYS, inner), max_size=4).map(Pairs)
    ),
    max_leaves=12,
)
OBJECTS = st.lists(st.tuples(KEYS, VALUES), max_size=5).map(Pairs)


def written(value: Any) -> str:
    if isinstance(value, Literal):
        return value
    if isinstance(value, Pairs):
        return "{ " + ", ".join(f"{json.dumps(k)} : {written(v)}" for k, v in value) + " }"
    if isinstance(value, list):
        return "[ " + ",\n".join(written(item) for item in value) + " ]"
    return json.dumps(value)


def read(text: str) -> Any:
    """JSON with every digit of its numbers and every key, in order."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=Pairs)


def posted(properties: list[Pairs]) -> dict[str, str]:
    """The text of each accepted object, by its event's id."""
    sent = {str(uuid.uuid4()): written(one) for one in properties}
    events = (
        json.dumps(event(event_id=event_id, properties=...))[:-1] + f', "properties": {text}}}'
        for event_id, text in sent.items()
    )
    body = f"[{','.join(events)}]"
    answer = Client().post("/events?wait=true", body, content_type="application/json").json()
    refused = {error["index"] for error in answer["errors"]}
    assert answer["received"] == len(sent) == answer["accepted"] + len(refused)
    return {event_id: text for n, (event_id, text) in enumerate(sent.items()) if n not in refused}


@SLOWLY
@given(properties=st.lists(OBJECTS, min_size=1, max_size=20))
def test_properties_are_in_both_stores_as_they_were_sent(properties: list[Pairs]) -> None:
    accepted = posted(properties)
    deliver_all()
    rows = engine.query(
        "SELECT event_id, properties_text FROM events WHERE event_id IN {ids:Array(UUID)}",
        parameters={"ids": list(accepted)},
    )
    hot = HotEvent.objects.filter(event_id__in=list(accepted))
    cold_texts = dict(rows)
    hot_texts = {str(one.event_id): one.properties for one in hot}
    assert len(rows) == len(accepted)
    assert hot_texts == cold_texts
    sent = {event_id: read(text) for event_id, text in accepted.items()}
    assert {event_id: read(text) for event_id, text in cold_texts.items()} == sent


@SLOWLY
@given(names=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20))
def test_names_are_in_both_stores_as_they_were_sent(names: list[tuple[str, str]]) -> None:
    sent = [event(user_id=user_id, event_type=kind) for user_id, kind in names]
    answer = Client().post("/events?wait=true", json.dumps(sent), content_type="application/json")
    refused = {error["index"] for error in answer.json()["errors"]}
    accepted = {
        (e["event_id"], e["user_id"], e["event_type"])
        for n, e in enumerate(sent)
        if n not in refused
    }
    deliver_all()
    ids = [event_id for event_id, _, _ in accepted]
    rows = engine.query(
        "SELECT event_id, user_id, event_type FROM events WHERE event_id IN {ids:Array(UUID)}",
        parameters={"ids": ids},
    )
    hot = HotEvent.objects.filter(event_id__in=ids).values_list("event_id", "user_id", "event_type")
    assert {tuple(row) for row in rows} == accepted
    assert {(str(event_id), *names) for event_id, *names in hot} == accepted


# --- what is accepted can be asked for


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """Each path through objects that ends in a text, number or boolean, and that as text."""
    if isinstance(value, Pairs):
        return [leaf for key, inner in value for leaf in leaves(inner, (*path, key))]
    if not path or value is None or isinstance(value, list):
        return []
    if isinstance(value, Literal):
        return [(path, str(value))]
    return [(path, str(value).lower() if isinstance(value, bool) else value)]


def expressions(path: tuple[str, ...], value: str) -> dict[str, int]:
    """Segments, and how many of one event with this value they match."""

    def escaped(text: str, those: str) -> str:
        return "".join(f"\\{c}" if c in those else c for c in text)

    field = f"properties.{'.'.join(escaped(key, '.:=' + chr(92)) for key in path)}"
    return {
        f"{field}:{value}": 1,
        f"not({field}):{value}": 0,
        f"in({field}):nothing,{escaped(value, ',' + chr(92))}": 1,
        f"set({field})": 1,
        f"unset({field})": 0,
    }


@SLOWLY
@given(properties=st.lists(OBJECTS, min_size=1, max_size=10))
def test_every_accepted_value_is_found_by_its_segment(properties: list[Pairs]) -> None:
    accepted = posted(properties)
    deliver_all()
    by_text = {written(one): one for one in properties}
    for event_id, text in accepted.items():
        for path, value in leaves(by_text[text]):
            for segment, count in expressions(path, value).items():
                where = condition(parse_segments([segment]), NOWHERE)
                found = engine.query(
                    f"SELECT count() FROM events WHERE event_id = {{id:UUID}} AND ({where.sql})",
                    parameters={"id": event_id, **where.parameters},
                )
                assert found == [[count]], (segment, text)
