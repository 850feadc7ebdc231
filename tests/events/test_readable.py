"""Bodies with spots that the decoder gives up on: only the event around one pays for it."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from events import rejected
from events.readable import without_lone_surrogates
from tests.samples import event
from tests.waiting import wait_until


@pytest.fixture
def quiet(stores: None) -> Iterator[None]:
    """What a test has refused is not written down in the middle of the next."""
    yield
    wait_until(lambda: not rejected._waiting)


def post(client: Client, body: bytes) -> Any:
    return client.post(
        "/events",
        zstandard.compress(body),
        content_type="application/json",
        headers={"Content-Encoding": "zstd"},
    )


_pieces = st.sampled_from(
    [r"\\", r"\ud83d", r"\uDE00", r"\n", r"\"", r"\u0041", r"\uD7fF", "u", "ud83d", "ude00", "ї"]
)


@given(st.lists(_pieces))
def test_lone_surrogates_become_nuls_and_all_else_stays(pieces: list[str]) -> None:
    body = f'"{"".join(pieces)}"'.encode()
    readable = without_lone_surrogates(body)
    assert len(readable) == len(body)
    assert json.loads(readable) == re.sub("[\ud800-\udfff]", "\0", json.loads(body))


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("escape", [r"\\", r"\n", r"\ud83d\ude00", r"\ud800 "])
def test_ten_million_escapes_take_no_long_time(client: Client, escape: str) -> None:
    bad = json.dumps(event(properties={"a": "@"}, user_id=""))
    body = bad.replace("@", escape * (19_800_000 // len(escape))).encode()
    began = time.thread_time()
    assert post(client, b"[" + body + b"]").status_code == 400
    assert time.thread_time() - began < 2
