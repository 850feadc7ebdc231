"""A real Redis Cluster on loopback, of the redis-server that the service uses anyway."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from embedded import ports
from embedded.stores.redis_server import binary, is_ready
from embedded.supervision.processes import Process, Program
from tests.waiting import wait_until

PASSWORD = "p@ss,word"
SLOTS = 16384
_RULES = """\
bind {host}
port {port}
requirepass {password}
masterauth {password}
cluster-enabled yes
cluster-node-timeout 1000
cluster-replica-validity-factor 0
cluster-require-full-coverage no
appendonly no
save ""
"""


def _has_bus(port: int) -> bool:
    """Nodes talk to each other 10,000 ports higher."""
    try:
        socket.create_server((ports.HOST, port + 10_000)).close()
    except (OSError, OverflowError):
        return False
    return True


class Node:
    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port = next(filter(_has_bus, iter(ports.pick_free, 0)))
        rules = _RULES.format(host=ports.HOST, port=self.port, password=PASSWORD)
        (folder / "redis.conf").write_text(rules)
        url = f"redis://:{quote(PASSWORD)}@{ports.HOST}:{self.port}"
        self._process = Process(
            Program(
                name=f"node {self.port}",
                command=[str(binary()), "redis.conf"],
                folder=folder,
                ready=lambda: is_ready(url),
            )
        )
        self.client: Any = redis.Redis(host=ports.HOST, port=self.port, password=PASSWORD)

    def start(self, stack: ExitStack) -> None:
        stack.enter_context(self._process)

    def kill(self) -> None:
        self._process.kill()

    @property
    def id(self) -> str:
        return str(self.client.execute_command("CLUSTER MYID").decode())


class Cluster:
    """Three primaries with a third of the slots each, and as many replicas of each as asked for."""

    def __init__(self, primaries: list[Node], replicas: list[Node]) -> None:
        self.primaries, self.replicas = primaries, replicas

    @property
    def url(self) -> str:
        named = ",".join(f"{ports.HOST}:{node.port}" for node in self.primaries)
        return f"redis+cluster://:{quote(PASSWORD)}@{named}"

    def primary_of(self, key: str) -> Node:
        slot = self.primaries[0].client.execute_command("CLUSTER KEYSLOT", key)
        return self.primaries[min(2, int(slot) * 3 // SLOTS)]

    def move_slot(self, key: str, to: Node) -> None:
        """With what is in it, as redis-cli --cluster reshard does."""
        source = self.primary_of(key)
        slot = source.client.execute_command("CLUSTER KEYSLOT", key)
        to.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", to.id)
        for name in source.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            source.client.migrate(ports.HOST, to.port, name, 0, 5000, auth=PASSWORD)
        for node in (to, source):
            node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", to.id)


@contextmanager
def running(folder: Path, *, replicas: int) -> Iterator[Cluster]:
    """`replicas` is of each primary."""
    nodes = [Node(folder / str(number)) for number in range(3 + 3 * replicas)]
    with ExitStack() as stack:
        for node in nodes:
            node.start(stack)
        first, rest = nodes[0], nodes[1:]
        for node in rest:
            first.client.execute_command("CLUSTER MEET", ports.HOST, node.port)
        for number, node in enumerate(nodes[:3]):
            bounds = (number * SLOTS + 2) // 3, ((number + 1) * SLOTS + 2) // 3
            node.client.execute_command("CLUSTER ADDSLOTS", *range(*bounds))
        wait_until(lambda: all(_size(node) == len(nodes) for node in nodes))
        for number, node in enumerate(nodes[3:]):
            node.client.execute_command("CLUSTER REPLICATE", nodes[number % 3].id)
        wait_until(lambda: all(_is_well(node) for node in nodes), seconds=30)
        wait_until(lambda: all(_has_copied(node) for node in nodes[3:]), seconds=30)
        time.sleep(0.5)
        yield Cluster(nodes[:3], nodes[3:])


def _size(node: Node) -> int:
    return len(node.client.execute_command("CLUSTER NODES"))


def _is_well(node: Node) -> bool:
    info = node.client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and int(info["cluster_slots_assigned"]) == SLOTS


def _has_copied(node: Node) -> bool:
    return bool(node.client.info("replication").get("master_link_status") == "up")
