"""What is on the queue and is no message: it is set aside and harms no other."""

import json
from typing import Any

import pytest
from kombu.connection import Connection

from tests.config.brokers.consuming import QUEUE, consume, publish, restore, waiting

JUNK = [
    *(b"no json", b"[]", b"5", b"null", b'{"properties": {}}', b'{"properties": null}'),
    *(b'{"properties": 5}', b'{"properties": {"delivery_tag": null}}'),
    b'{"properties": {"delivery_tag": true}}',
]


def spoilt(**changes: Any) -> bytes:
    """A message as Celery writes it, less what is changed."""
    way = {"exchange": "", "routing_key": QUEUE}
    properties = {"delivery_tag": "tag", "delivery_info": way, "body_encoding": "base64"}
    message = {"body": "e30=", "content-type": "application/json", "content-encoding": "utf-8"}
    whole = {**message, "headers": {}, "properties": properties}
    within = {name: value for name, value in changes.items() if name in properties}
    return json.dumps({**whole, **changes, "properties": {**properties, **within}}).encode()


# Each has a tag, so Redis takes it for a message.
SPOILT = [
    b'{"properties": {"delivery_tag": "tag"}}',
    b'{"properties": {"delivery_tag": "\xff"}}',
    b'{"properties": {"delivery_tag": "tag"}, "body": %s}' % (b"1" * 5_000),
    spoilt(delivery_tag=""),
    spoilt(body=None),
    spoilt(body="abc"),
    spoilt(body=5),
    spoilt(body_encoding="rot13"),
    spoilt(headers=None),
    spoilt(headers=[1]),
    spoilt(delivery_info=None),
    spoilt(**{"content-type": None}),
    spoilt(headers={"x": {"__type__": "uuid", "__value__": {"hex": 5}}}),
    spoilt(headers={"x": {"__type__": "decimal", "__value__": "abc"}}),
    spoilt(headers={"x": {"__type__": ["list"], "__value__": 5}}),
]


@pytest.mark.parametrize("is_first", [True, False])
def test_what_is_no_message_is_set_aside_and_harms_no_other(
    redis: Any, consumer: Connection, is_first: bool
) -> None:
    if not is_first:
        publish()
    for junk in [*JUNK, *SPOILT]:
        redis.lpush(QUEUE, junk)
    if is_first:
        publish()
    [message] = consume(consumer)
    assert message.payload == "hello"
    message.ack()
    restore(consumer)
    assert not any(waiting(redis).values())
    assert set(redis.lrange(f"{QUEUE}.taken.unreadable", 0, -1)) == {*JUNK, *SPOILT}


def test_an_unreadable_message_of_one_who_vanished_keeps_no_other_from_coming_back(
    redis: Any, consumer: Connection
) -> None:
    publish()
    [_] = consume(consumer)
    unreadable = SPOILT[2]  # to Python; Redis reads such a number
    redis.lpush(f"{QUEUE}.taken", unreadable)
    restore(consumer)
    assert waiting(redis) == {"queued": 1, "taken": 0, "unacked": 0, "indexed": 0}
    [aside] = redis.lrange("unacked.taken.unreadable", 0, -1)
    assert unreadable in aside
