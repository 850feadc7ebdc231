"""A load generator that costs little itself: keep-alive sockets, ready-made requests, threads."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Load(NamedTuple):
    """The result of a run: seconds from first byte to last answer, answers by status, latencies."""

    seconds: float
    statuses: Counter[int]
    latencies: list[float]

    def percentile(self, share: float) -> float:
        """The milliseconds within which `share` of the requests were answered."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def run(
    address: tuple[str, int], bodies: Sequence[bytes], *, clients: int, path: str = "/events"
) -> Load:
    """POST every body once over `clients` connections, with one request at a time on each."""
    requests = [request("POST", path, body) for body in bodies]
    return run_requests(address, requests, clients=clients)


def run_requests(address: tuple[str, int], requests: Sequence[bytes], *, clients: int) -> Load:
    shares = [requests[start::clients] for start in range(clients)]
    results: list[tuple[Counter[int], list[float]]] = []
    threads = [
        threading.Thread(target=lambda share=share: results.append(_client(address, share)))
        for share in shares
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    statuses: Counter[int] = Counter()
    for counted, _ in results:
        statuses += counted
    return Load(seconds, statuses, [latency for _, part in results for latency in part])


def request(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _client(
    address: tuple[str, int], requests: Sequence[bytes]
) -> tuple[Counter[int], list[float]]:
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for data in requests:
            began = time.perf_counter()
            connection.sendall(data)
            statuses[status(connection)] += 1
            latencies.append(time.perf_counter() - began)
    return statuses, latencies


def status(connection: socket.socket) -> int:
    """Read one answer to its end. Returns its status."""
    data = _received(connection)
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    missing = length - len(rest)
    while missing > 0:
        missing -= len(_received(connection))
    return int(head[9:12])


def _received(connection: socket.socket) -> bytes:
    if not (data := connection.recv(65536)):
        raise ConnectionError("the server closed the connection before the end of the answer")
    return data
