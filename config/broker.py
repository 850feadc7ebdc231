"""Kombu's Redis transport without its gap: a message taken off the queue is never in no key.

Kombu pops a message (BRPOP) and only then writes it down as unacknowledged. Whatever is popped when
a worker is killed, stops or loses its connection in between is lost, as is what lies unread in its
socket. Here a message moves (BLMOVE) to a second list, and leaves that in the transaction that
writes it down; what stays there is written down by whoever looks for abandoned messages next.

It overrides private methods: requirements.txt pins kombu, and `tests/config/test_broker.py` holds
every moment of a message's way.
"""

from pathlib import Path
from queue import Empty
from time import monotonic, time
from typing import Any

from celery.utils.log import get_logger
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as stock
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

logger = get_logger(__name__)

_ADOPT = Path(__file__).with_name("broker_adopt.lua").read_text()
_TAKEN = "{queue}.taken"


class QoS(stock.QoS):
    """What was delivered and not yet acknowledged, in Redis."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Write a message down as unacknowledged, and no longer as merely taken."""
        delivery = message.delivery_info
        noted = dumps([message._raw, delivery["exchange"], delivery["routing_key"]])
        with self.pipe_or_acquire() as pipe:
            pipe.zadd(self.unacked_index_key, {delivery_tag: time()})
            pipe.hset(self.unacked_key, delivery_tag, noted)
            if taken := self.channel.taken.pop(delivery_tag, None):
                pipe.lrem(*taken)
            pipe.execute()
        virtual.QoS.append(self, message, delivery_tag)

    def restore_visible(self, *args: Any, **options: Any) -> None:
        """Put back what was not acknowledged in time, and begin that time for what was taken."""
        with self.channel.conn_or_acquire() as client:
            adopt = client.register_script(_ADOPT)
            for queue in self.channel.active_queues:
                keys = [_TAKEN.format(queue=queue), self.unacked_key, self.unacked_index_key]
                adopt(keys=keys, args=[queue, time()])
        super().restore_visible(*args, **options)


class Channel(stock.Channel):
    """Takes from one queue at a time: several are taken from in turn, a second each if empty."""

    QoS = QoS

    def __init__(self, *args: Any, **options: Any) -> None:
        # By delivery tag: the list it lies in, how many of it, and the item as Redis has it.
        self.taken: dict[str, tuple[str, int, bytes]] = {}
        self._unconfirmed: set[str] = set()
        self._source = ""
        super().__init__(*args, **options)

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **options: Any) -> Any:
        # Nobody writes such messages down: they are replies, lost with whom they were meant for.
        (self._unconfirmed.add if no_ack else self._unconfirmed.discard)(queue)
        return super().basic_consume(queue, no_ack, *args, **options)

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(1)
        if not queues:
            return
        [self._source] = queues
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()  # type: ignore[assignment]
        self.client.connection.send_command(*self._command(timeout or self.brpop_timeout))

    def _command(self, seconds: float) -> tuple[str | float, ...]:
        if self._source in self._unconfirmed:
            return ("BRPOP", self._source, seconds)
        return ("BLMOVE", self._source, _TAKEN.format(queue=self._source), "RIGHT", "LEFT", seconds)

    def _brpop_read(self, **options: Any) -> bool:
        if self._source in self._unconfirmed:
            return bool(super()._brpop_read(**options))
        try:
            item = self._moved(options)
            self._queue_cycle.rotate(self._source)
            if item is None:
                raise Empty
            self._deliver(item)
            return True
        finally:
            self._in_poll = None  # type: ignore[assignment]
            self._flush_brpop_reauth()

    def _moved(self, options: dict[str, Any]) -> bytes | None:
        connection = self.client.connection
        try:
            item: bytes | None = self.client.parse_response(connection, "BLMOVE", **options)
        except self.connection_errors:
            # The next look connects anew.
            connection.disconnect()
            raise
        return item

    def _deliver(self, item: bytes) -> None:
        try:
            message = loads(bytes_to_str(item))
            tag = message["properties"]["delivery_tag"]
        except (ValueError, LookupError, TypeError):
            # No Celery wrote this. It stays where it was taken to, and is set aside from there.
            logger.exception("a message that can't be read was on the queue %s", self._source)
            return
        self.taken[tag] = (_TAKEN.format(queue=self._source), 1, item)
        self.connection._deliver(message, self._source)


class Transport(stock.Transport):
    """For `redis://` and `rediss://`."""

    Channel = Channel


def install() -> None:
    """Have kombu use this transport wherever a URL says Redis."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
