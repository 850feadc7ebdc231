"""A door between web and the queue's Redis that breaks off at a message, and knows who met that."""

import json
import socket
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from itertools import chain
from typing import BinaryIO

from tests.faults.clients import sender_of
from tests.faults.proxy import Proxy

# How the command begins that puts a message on the queue. The message is the rest, and is JSON.
_MESSAGE = b"*3\r\n$5\r\nLPUSH\r\n"


class Cut(Enum):
    BEFORE = "before the message"  # it is not passed on
    AFTER = "after the message"  # Redis has it; nobody hears of it


class QueueDoor(Proxy):
    """While there is a `cut`, each message with events ends its connection; all else is passed on.

    `met` has the ids of the requests whose message was cut off, and `confirmed` those of the
    requests that Redis has answered for.
    """

    def __init__(self, target: int) -> None:
        self.cut: Cut | None = None
        self.met: defaultdict[Cut, set[str]] = defaultdict(set)
        self.confirmed: set[str] = set()
        # Requests of the message that each connection waits for the answer to.
        self._sent: dict[socket.socket, Sequence[str]] = {}
        super().__init__(target)

    def _say(self, client: socket.socket, server: socket.socket) -> None:
        # A program that is killed in the middle of a command leaves half of it.
        with suppress(ValueError), client.makefile("rb") as commands:
            while command := _next(commands):
                request_ids = _request_ids(command)
                if request_ids and self.cut is Cut.BEFORE:
                    self.met[Cut.BEFORE].update(request_ids)
                    return
                self._sent[server] = request_ids
                server.sendall(command)

    def _hear(self, server: socket.socket, client: socket.socket) -> None:
        while data := server.recv(65536):
            request_ids = self._sent.pop(server, ())
            if request_ids and self.cut is Cut.AFTER:
                self.met[Cut.AFTER].update(request_ids)
                return
            # Before web can say so.
            self.confirmed.update(request_ids)
            client.sendall(data)

    def unfounded(self, answers: Mapping[str, int | str]) -> set[str]:
        """The requests that were told 202 although Redis had not confirmed their message."""
        accepted = {request_id for request_id, answer in answers.items() if answer == 202}
        # A request may have several messages.
        return (accepted - self.confirmed) | (accepted & {*chain(*self.met.values())})

    def summary(self, answers: Mapping[str, int | str]) -> Iterator[str]:
        for cut in Cut:
            met = self.met[cut] & answers.keys()
            senders, told = Counter(map(sender_of, met)), Counter(answers[one] for one in met)
            yield f"Redis cut {cut.value}: met by requests of {dict(senders)}, told {dict(told)}"
        yield f"told 202 without Redis' word: {len(self.unfounded(answers)):,}"


def _next(commands: BinaryIO) -> bytes:
    """A whole command, an array of texts, as it was sent; empty at the end."""
    head = commands.readline()
    parts = [head]
    for _ in range(int(head[1:] or 0)):
        length = commands.readline()
        parts += [length, commands.read(int(length[1:]) + 2)]
    return b"".join(parts)


def _request_ids(command: bytes) -> Sequence[str]:
    """Of the requests whose events a command puts on the queue; most commands do something else."""
    if not command.startswith(_MESSAGE):
        return ()
    message = json.loads(command[command.index(b"{") :])
    found: Sequence[str] = message["headers"].get("request_ids", ())
    return found
