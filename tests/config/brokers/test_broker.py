"""A message's way from the queue to its consumer: at every moment it is in some key of Redis."""

import json
import threading
import time
from typing import Any

import pytest
from celery import current_app
from kombu.connection import Connection
from kombu.entity import Queue

from config.brokers import redis as broker
from tests.config.brokers.consuming import QUEUE, consume, publish, restore, waiting
from tests.waiting import wait_until


def test_redis_urls_use_our_transport() -> None:
    assert isinstance(current_app.connection().transport, broker.Transport)


def test_a_delivered_message_is_noted_until_it_is_acknowledged(
    redis: Any, consumer: Connection
) -> None:
    publish()
    [message] = consume(consumer)
    assert waiting(redis) == {"queued": 0, "taken": 0, "unacked": 1, "indexed": 1}
    message.ack()
    assert not any(waiting(redis).values())


def test_a_message_taken_by_one_who_vanished_comes_back(redis: Any, consumer: Connection) -> None:
    with current_app.connection_for_read() as vanishing:
        channel = vanishing.default_channel
        vanishing.Consumer([Queue(QUEUE)], channel=channel).consume()
        vanishing.transport.cycle.add(channel)
        vanishing.transport.cycle._register_BRPOP(channel)
        publish()
        wait_until(lambda: waiting(redis)["taken"] == 1)
        # It has left the queue and lies unread in a socket that is closed now.
        channel.client.connection.disconnect()
    assert waiting(redis) == {"queued": 0, "taken": 1, "unacked": 0, "indexed": 0}
    restore(consumer)
    restore(consumer)
    assert waiting(redis)["queued"] == 1
    [message] = consume(consumer)
    assert message.payload == "hello"
    message.ack()
    assert not any(waiting(redis).values())


def test_a_message_that_is_taken_a_second_time_waits_no_longer_to_come_back(
    redis: Any, consumer: Connection
) -> None:
    """Two have it: one that has vanished, for whom its time is over, and one that vanishes now."""
    publish()
    [message] = consume(consumer)
    item = bytes(redis.hget("unacked", message.delivery_tag))
    redis.zadd("unacked_index", {message.delivery_tag: time.time() - 7200})
    redis.lpush(f"{QUEUE}.taken", json.dumps(json.loads(item)[0]))
    restore(consumer, visibility_timeout=3600)
    assert waiting(redis) == {"queued": 1, "taken": 0, "unacked": 0, "indexed": 0}


def test_messages_come_back_even_where_what_was_taken_cannot_be_looked_through(
    redis: Any, consumer: Connection
) -> None:
    publish()
    consume(consumer)
    redis.set(f"{QUEUE}.taken", "no list")
    restore(consumer)
    redis.delete(f"{QUEUE}.taken")
    assert waiting(redis) == {"queued": 1, "taken": 0, "unacked": 0, "indexed": 0}


def test_a_worker_that_is_killed_while_it_puts_back_holds_up_the_others_for_seconds_only(
    redis: Any, consumer: Connection
) -> None:
    publish()
    consume(consumer)
    real: Any = broker.QoS.restore_by_tag
    held: list[int] = []

    def look(self: Any, *args: Any) -> Any:
        held.append(redis.ttl("unacked_mutex"))
        return real(self, *args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(broker.QoS, "restore_by_tag", look)
        restore(consumer)
    [seconds] = held
    assert 0 < seconds <= 10


def test_an_adopted_message_that_is_acknowledged_after_all_is_gone(
    redis: Any, consumer: Connection
) -> None:
    publish()
    real: Any = broker.Channel._note
    adopted = threading.Event()

    def late(self: Any, item: bytes, tag: str) -> Any:
        self.qos.restore_visible(num=None, interval=10**9)
        adopted.set()
        return real(self, item, tag)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(broker.Channel, "_note", late)
        [message] = consume(consumer)
    assert adopted.is_set()
    message.ack()
    assert not any(waiting(redis).values())


def test_messages_behind_the_first_come_along_in_order_and_are_acknowledged_as_one(
    redis: Any, consumer: Connection
) -> None:
    for number in range(50):
        publish(f"message {number}")
    messages = consume(consumer)
    assert [message.payload for message in messages] == [f"message {n}" for n in range(50)]
    assert waiting(redis) == {"queued": 0, "taken": 0, "unacked": 50, "indexed": 50}
    redis.config_resetstat()
    broker.acknowledge(messages)
    assert not any(waiting(redis).values())
    assert redis.info("commandstats")["cmdstat_hdel"]["calls"] == 1


def test_no_more_come_along_than_may_be_held(redis: Any, consumer: Connection) -> None:
    for number in range(10):
        publish(f"message {number}")
    consumer.default_channel.basic_qos(0, 3, False)
    messages = consume(consumer)
    assert [message.payload for message in messages] == ["message 0", "message 1", "message 2"]
    assert waiting(redis)["queued"] == 7
    broker.acknowledge(messages)
    assert len(consume(consumer)) == 3


def test_what_was_taken_along_by_one_who_vanished_comes_back(
    redis: Any, consumer: Connection
) -> None:
    for number in range(5):
        publish(f"message {number}")
    with current_app.connection_for_read() as vanishing, pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            broker.Channel, "_messages", lambda self, item: self._note(item, "t") and []
        )
        consume(vanishing)
        patched.setattr(vanishing.default_channel.qos, "restore_unacked_once", lambda *_: None)
    assert waiting(redis)["unacked"] == 5
    restore(consumer)
    assert waiting(redis)["queued"] == 5


def test_messages_that_redis_would_not_forget_in_time_leave_room_for_others(
    redis: Any, consumer: Connection
) -> None:
    for number in range(5):
        publish(f"message {number}")
    channel: Any = consumer.default_channel
    channel.basic_qos(0, 3, False)
    messages = consume(consumer)
    channel.pool.connection_kwargs["socket_timeout"] = 0.3
    channel.pool.disconnect()
    redis.client_pause(1500)
    broker.acknowledge(messages)
    assert redis.ping()  # once the pause is over
    assert [message.payload for message in consume(consumer)] == ["message 3", "message 4"]


def test_large_messages_are_taken_a_few_at_a_time(redis: Any, consumer: Connection) -> None:
    for _ in range(10):
        publish("x" * 400_000)
    redis.config_resetstat()
    assert len(consume(consumer)) == 10
    assert 3 <= redis.info("commandstats")["cmdstat_evalsha"]["calls"] <= 5


def test_a_reply_that_needs_no_acknowledgement_leaves_nothing_behind(
    redis: Any, consumer: Connection
) -> None:
    publish()
    [message] = consume(consumer, no_ack=True)
    assert message.payload == "hello"
    assert not any(waiting(redis).values())
