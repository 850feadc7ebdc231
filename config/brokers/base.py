"""What the service needs from every broker."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from kombu.message import Message


class Load(NamedTuple):
    """About how many events wait for a worker, and the broker's memory in bytes.

    `memory` and `memory_limit` are 0 if the broker does not report them or has no limit.
    """

    events: int
    memory: int = 0
    memory_limit: int = 0


class Waiting(NamedTuple):
    """Messages on the queue, and the age of the oldest in seconds; None if it is not known."""

    messages: int
    age: float | None


class Broker(Protocol):
    """A module of this package. A function that asks the broker and fails raises brokers.ERRORS."""

    NAME: str

    def publish(self, body: Any, message: Mapping[str, Any]) -> None:
        """Returns when the broker has the message. `message` is what Kombu's producer is given."""
        ...

    def acknowledge(self, messages: Sequence[Message]) -> None: ...
    def load(self, *, limit: int, largest: int) -> Load:
        """Up to `limit` events a rough number will do. A message has at most `largest` events."""
        ...

    def waiting(self) -> Waiting: ...
    def ping(self) -> None: ...
