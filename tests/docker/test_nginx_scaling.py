"""docker/nginx-upstream.conf: api containers that come and go are found by Docker's DNS alone."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from embedded import ports
from tests.docker import nginx
from tests.docker.nginx import Proxy
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.production,
    pytest.mark.skipif(
        not nginx.BINARY or nginx.version() < nginx.RESOLVES,
        reason="no nginx of 1.27.3 or newer, which finds names anew (NGINX=/path/to/nginx)",
    ),
]
HEADER = 12


@contextmanager
def dns(addresses: list[str]) -> Iterator[int]:
    """Answers every question for an address with those that are in the list at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((ports.HOST, 0))

        def serve() -> None:
            while True:
                question, client = server.recvfrom(512)
                if not question:
                    return
                server.sendto(answer(question, addresses), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.sendto(b"", server.getsockname())
        thread.join()


def answer(question: bytes, addresses: list[str]) -> bytes:
    """RFC 1035: the question again, and an A record for each address, 600 s to live as Docker's."""
    name_end = question.index(b"\0", HEADER) + 5
    flags, one = b"\x81\x80", b"\0\1"
    head = question[:2] + flags + one + len(addresses).to_bytes(2, "big") + bytes(4)
    record = b"\xc0\x0c" + one + one + (600).to_bytes(4, "big") + b"\0\4"
    records = (record + socket.inet_aton(address) for address in addresses)
    return head + question[HEADER:name_end] + b"".join(records)


class Named(BaseHTTPRequestHandler):
    """Says at which address it was reached."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.connection.getsockname()[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@contextmanager
def serving(address: str, port: int) -> Iterator[None]:
    with ThreadingHTTPServer((address, port), Named) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield
        server.shutdown()
        thread.join()


def served(proxy: Proxy) -> set[str]:
    answers = [proxy.request("GET", "/health") for _ in range(12)]
    return {content.decode() if answer.status == 200 else "error" for answer, content in answers}


def test_containers_that_are_added_and_removed_need_no_reload(tmp_path: Path) -> None:
    first, second, third = addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    port, known = ports.pick_free(), [first]
    with ExitStack() as stack:
        for address in addresses:
            stack.enter_context(serving(address, port))
        resolver = stack.enter_context(dns(known))
        upstream = nginx.replaced(
            nginx.UPSTREAM.read_text(),
            {
                "resolver 127.0.0.11 ": f"resolver {ports.HOST}:{resolver} ",
                "server api:8000 ": f"server api:{port} ",
            },
        )
        proxy = stack.enter_context(nginx.running(tmp_path, upstream))
        wait_until(lambda: served(proxy) == {first})
        known += [second, third]
        wait_until(lambda: served(proxy) == {first, second, third})
        known.remove(first)
        wait_until(lambda: served(proxy) == {second, third})
