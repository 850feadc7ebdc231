"""What the service asks of a broker, whichever it is."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from kombu.message import Message
from kombu.messaging import Producer


class Load(NamedTuple):
    """About how many events wait for a worker, and the broker's memory in bytes.

    `memory` and `memory_limit` are 0 where the broker doesn't tell or has no limit.
    """

    events: int
    memory: int = 0
    memory_limit: int = 0


class Waiting(NamedTuple):
    """Messages on the queue, and seconds the oldest has been there; None where nobody knows."""

    messages: int
    age: float | None


class Broker(Protocol):
    """A module of this package. What asks the broker raises one of brokers.ERRORS if it can't."""

    NAME: str

    def publish(self, producer: Producer, body: Any, message: Mapping[str, Any]) -> None: ...
    def acknowledge(self, messages: Sequence[Message]) -> None: ...
    def load(self, *, limit: int, largest: int) -> Load:
        """Up to `limit` events nobody needs to know closely; `largest` is the most of a message."""
        ...

    def waiting(self) -> Waiting: ...
    def ping(self) -> None: ...
