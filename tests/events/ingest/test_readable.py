"""Bodies with spots that the decoder gives up on: only the event around one pays for it."""

import json
import re
import time
from typing import Any

import pytest
import zstandard
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from events.format.inspection import EventError
from events.ingest.readable import without_depths, without_lone_surrogates
from events.ingest.validation import NotJSON, event_texts, validate
from tests.posting import post
from tests.samples import event

# Bytes of the largest body, and of one in which as little time per byte shows as well.
FULL, QUARTER = 19_800_000, 5_000_000


def post_zstd(client: Client, body: bytes) -> Any:
    return post(client, zstandard.compress(body), Content_Encoding="zstd")


_pieces = st.sampled_from(
    [r"\\", r"\ud83d", r"\uDE00", r"\n", r"\"", r"\u0041", r"\uD7fF", "u", "ud83d", "ude00", "ї"]
)


@given(st.lists(_pieces))
def test_lone_surrogates_become_nuls_and_all_else_stays(pieces: list[str]) -> None:
    body = f'"{"".join(pieces)}"'.encode()
    readable = without_lone_surrogates(body)
    assert len(readable) == len(body)
    assert json.loads(readable) == re.sub("[\ud800-\udfff]", "\0", json.loads(body))


@pytest.mark.usefixtures("rejected_kept")
@pytest.mark.parametrize(
    ("escape", "size"),
    [(r"\\", FULL), (r"\n", QUARTER), (r"\ud83d\ude00", QUARTER), (r"\ud800 ", FULL)],
)
def test_ten_million_escapes_take_no_long_time(client: Client, escape: str, size: int) -> None:
    bad = json.dumps(event(properties={"a": "@"}, user_id=""))
    body = bad.replace("@", escape * (size // len(escape))).encode()
    began = time.thread_time()
    assert post_zstd(client, b"[" + body + b"]").status_code == 400
    assert time.thread_time() - began < 1 + 2 * size / FULL


# --- depths


def between_neighbours(bad: bytes) -> tuple[bytes, list[bytes]]:
    good = json.dumps(event(properties={"a": ["]}", "[[{"]})).encode()
    texts = [good, bad, good]
    return b'{"events": [' + b" , ".join(texts) + b"]}", texts


def test_events_that_read_alike_keep_the_text_that_each_was_sent_as() -> None:
    texts = [rb'"\ud800"', rb'"\u0000"', rb'"\udfff"', rb'"\u0000"']
    body = b"[" + b", ".join(texts) + b"]"
    assert event_texts(body, validate(body).readable) == texts


def with_properties(text: str) -> bytes:
    return json.dumps(event(properties="@")).replace('"@"', text).encode()


def error_beside_neighbours(bad: bytes) -> EventError:
    body, texts = between_neighbours(bad)
    checked = validate(body)
    assert len(checked.records) == 2, "a bad event harmed its neighbours"
    assert event_texts(body, checked.readable) == texts
    [error] = checked.errors
    assert error.index == 1
    return error


@pytest.mark.parametrize("levels", [50, *range(880, 1010), 1_100, 100_000])
def test_however_deep_an_event_is_its_neighbours_are_taken(levels: int) -> None:
    bad = with_properties('{"a": ' + "[" * levels + '"]"' + "]" * levels + "}")
    assert error_beside_neighbours(bad).code == "too_deep"


@pytest.mark.parametrize(
    ("opening", "inner", "closing"),
    [
        ('{"a":', "1", "}"),
        ("[ ", "", "\n]"),
        ('[{"[[":', '"\\"["', "}]"),
        ('["\\\\", [], {"b":[[[[["]"]]]]]},', "[]", ",5,{}]"),
        ("[" * 63 + "1,", "[]", "]" * 63),
    ],
)
def test_an_error_names_the_events_own_properties_whatever_is_nested_around(
    opening: str, inner: str, closing: str
) -> None:
    error = error_beside_neighbours(
        with_properties('{"a":' + opening * 2_000 + inner + closing * 2_000 + "}")
    )
    assert (error.field, error.code) == ("properties", "too_deep")
    assert error.event_id


def test_a_deep_event_that_is_no_object_harms_nobody() -> None:
    assert error_beside_neighbours(b"[" * 5_000 + b"]" * 5_000).code == "type"


@pytest.mark.parametrize("body", [b"[" * 5_000, b"[" * 5_000 + b"]" * 4_999, b"[" * 5_000 + b'"'])
def test_what_is_deep_and_never_closed_is_no_json(body: bytes) -> None:
    with pytest.raises(NotJSON):
        validate(body)


def test_text_after_the_events_is_no_json_however_deep_they_are() -> None:
    body, _ = between_neighbours(with_properties('{"a": ' + "[" * 2_000 + "]" * 2_000 + "}"))
    for spoilt in (body + b"]", body[:-2] + b"}", body.replace(b" , ", b" ")):
        with pytest.raises(NotJSON):
            validate(spoilt)


@given(
    st.recursive(
        st.sampled_from(["[", "]", '"', "\\", 5, None]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from('[]}"'), inner),
    ),
    st.integers(0, 150),
)
def test_what_is_not_deep_stays_as_it_is(value: Any, levels: int) -> None:
    deep: Any = "]"
    for _ in range(levels):
        deep = [deep]
    body = json.dumps([value, deep, value]).encode()
    shallow = without_depths(body)
    assert len(shallow) == len(body)
    first, cut, last = json.loads(shallow)
    assert first == last == value
    assert cut == deep or levels > 30


@pytest.mark.usefixtures("rejected_kept")
@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("[", FULL), ("[1,", QUARTER), ("[[[[[]]]]],", QUARTER), ('{"":', QUARTER)),
        *(('["["', QUARTER), ('\\"', QUARTER), ("[],", QUARTER), ("]", QUARTER), ('"', FULL)),
    ],
)
def test_twenty_megabytes_of_brackets_take_no_long_time(
    client: Client, text: str, size: int
) -> None:
    body = b"[" * 1_100 + text.encode() * (size // len(text))
    began = time.thread_time()
    assert post_zstd(client, body).status_code == 400
    assert time.thread_time() - began < 1 + 4 * size / FULL
