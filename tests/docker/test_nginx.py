"""docker/nginx.conf in a real nginx in front of two api processes: what it lets through."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from config.memory.room import SMALL_BYTES
from embedded import ports
from importer.models import Import
from tests.docker import nginx
from tests.docker.nginx import Proxy
from tests.docker.proxied import LIMIT, Stack, first_line, lines_of
from tests.samples import event
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.production,
    pytest.mark.skipif(not nginx.BINARY, reason="nginx is not installed (apt-get install nginx)"),
    pytest.mark.usefixtures("stores"),
]
SLOW = 300


@pytest.fixture(scope="module")
def stack(
    django_db_setup: None, clickhouse_schema: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    addresses = [f"{ports.HOST}:{ports.pick_free()}" for _ in range(2)]
    folder = tmp_path_factory.mktemp("nginx")
    with ExitStack() as processes:
        proxy = processes.enter_context(nginx.running(folder, nginx.upstream_of(*addresses)))
        stack = Stack(proxy, {}, processes)
        for address in addresses:
            stack.start(address)
        yield stack


@pytest.fixture
def proxy(stack: Stack) -> Proxy:
    return stack.proxy


def body(count: int = 1) -> bytes:
    return json.dumps([event() for _ in range(count)]).encode()


def post(proxy: Proxy, events: bytes) -> int:
    """As a client does that sends again where the answer breaks off behind its head."""
    try:
        return proxy.status("POST", "/events", events)
    except IncompleteRead:
        return proxy.status("POST", "/events", events)


# --- Many api containers ------------------------------------------------------------------------


def test_requests_are_spread_over_both(stack: Stack) -> None:
    served = stack.served(40)
    assert set(served) == set(stack.apis)
    assert min(served.values()) >= 10


def test_requests_go_on_while_one_api_is_killed_and_it_is_asked_again_once_it_is_back(
    stack: Stack,
) -> None:
    victim, other = stack.apis
    with ThreadPoolExecutor(8) as pool:
        posts = [pool.submit(post, stack.proxy, body(500)) for _ in range(60)]
        wait_until(lambda: sum(one.done() for one in posts) > 10)
        stack.kill(victim)
        assert Counter(one.result() for one in posts) == {202: 60}
    assert set(stack.served(10)) == {other}
    stack.start(victim)
    wait_until(lambda: set(stack.served(10)) == {victim, other})


# --- Who a client is ----------------------------------------------------------------------------

FORGED = [
    {"X_Forwarded_For": "{n}.2.3.4"},
    {"X_Forwarded_For": "{n}.2.3.4, 9.9.9.9"},
    {"X_Forwarded_For": ""},
    {"X_Forwarded_For": ","},
    {"X_Real_IP": "{n}.2.3.4", "Forwarded": "for={n}.2.3.4"},
]


@pytest.mark.parametrize("forged", FORGED, ids=str)
def test_a_forged_address_does_not_escape_the_rate_limit(
    proxy: Proxy, forged: dict[str, str]
) -> None:
    def status(n: int) -> int:
        headers: Any = {name: value.format(n=n) for name, value in forged.items()}
        return proxy.status("GET", "/events?limit=x", **headers)

    statuses = Counter(status(n) for n in range(1, LIMIT + 30))
    # A few more than the limit, as the bucket fills while they come.
    assert set(statuses) == {400, 429}
    assert LIMIT <= statuses[400] <= LIMIT + 25


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.example:80"])
def test_a_forged_host_is_refused(proxy: Proxy, host: str) -> None:
    assert proxy.status("GET", "/events", Host=host) == 400
    assert proxy.status("GET", "/events", Host="localhost", X_Forwarded_Host=host) == 200


def test_two_hosts_or_none_are_refused(proxy: Proxy) -> None:
    for head in (
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
        b"GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\n",
        b"GET /health HTTP/1.1\r\n",
    ):
        assert first_line(proxy, head + b"Connection: close\r\n\r\n").split()[1] == b"400"


# --- What a client may send ---------------------------------------------------------------------


def test_an_oversized_header_is_refused_with_a_problem(proxy: Proxy) -> None:
    answer, content = proxy.request("GET", "/health", X_Large="x" * 40_000)
    assert answer.status == 431
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(content)["status"] == 431
    many: Any = {f"X_{n}": "x" * 4_000 for n in range(40)}
    assert proxy.status("GET", "/health", **many) in (400, 431)
    assert proxy.status("GET", "/health?" + "x" * 40_000) == 414


def test_a_body_larger_than_the_service_takes_is_refused_at_once(proxy: Proxy) -> None:
    head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    line = first_line(proxy, head + b"Content-Length: 30000000\r\n\r\n[")
    assert line.split()[1] == b"413"


def test_twenty_megabytes_of_events_come_through(proxy: Proxy) -> None:
    padded = [event(properties={"text": "x" * 60_000}) for _ in range(340)]
    content = json.dumps(padded).encode()
    assert 20_000_000 < len(content) < 20 * 1024**2
    answer, told = proxy.request("POST", "/events", content)
    assert (answer.status, json.loads(told)["accepted"]) == (202, 340)


def test_an_upload_is_passed_on_while_it_comes(proxy: Proxy) -> None:
    csv = b"event_id,occurred_at,user_id,event_type,properties\n"
    csv += b"0191f5a0-0000-7000-8000-000000000001,2026-01-06T12:00:00Z,u1,view,{}\n" * 5_000
    # Smaller ones the api takes in before it looks at them.
    assert len(csv) > SMALL_BYTES
    head = b"POST /imports?name=a.csv HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(csv)
    with socket.create_connection((ports.HOST, proxy.port), timeout=20) as client:
        client.sendall(head + csv[:20])
        wait_until(Import.objects.filter(state=Import.State.RECEIVING).exists)
        client.sendall(csv[20:])
        assert client.recv(65536).startswith(b"HTTP/1.1 202 ")


def test_an_upload_may_be_larger_than_a_request_of_events(proxy: Proxy) -> None:
    csv = b"event_id,occurred_at,user_id,event_type,properties\n"
    csv += b"0191f5a0-0000-7000-8000-000000000001,2026-01-06T12:00:00Z,u1,view,{}\n" * 400_000
    assert len(csv) > 25_000_000
    assert proxy.status("POST", "/imports?name=b.csv", csv, Content_Type="text/csv") == 202


def test_slow_bodies_do_not_block_others(proxy: Proxy) -> None:
    """More of them, each a byte a second, than both apis have threads."""
    head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    stop = threading.Event()
    with ExitStack() as held:
        clients = [
            held.enter_context(socket.create_connection((ports.HOST, proxy.port), timeout=20))
            for _ in range(SLOW)
        ]
        for client in clients:
            client.sendall(head + b"Content-Length: 1000\r\n\r\n[")

        def trickle() -> None:
            while not stop.wait(1):
                for client in clients:
                    client.send(b" ")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            time.sleep(2)
            began = time.monotonic()
            statuses = {proxy.status("POST", "/events", body()) for _ in range(20)}
            seconds = time.monotonic() - began
        finally:
            stop.set()
            thread.join()
    assert statuses == {202}
    assert seconds < 5


# --- What a stranger may see --------------------------------------------------------------------

PATHS = ["/metrics", "/metrics/", "/metrics?x", "//metrics", "/./metrics", "/a/../metrics"]
PATHS += ["/%6detrics", "/%2fmetrics", "/metrics%2f", "/metrics%00", "/problem", "/metrics;a"]


@pytest.mark.parametrize("path", PATHS)
def test_metrics_are_refused_by_nginx_however_they_are_written(proxy: Proxy, path: str) -> None:
    name = f"metrics-{PATHS.index(path)}"
    answer, _ = proxy.request("GET", path, X_Request_ID=name)
    assert answer.status in (400, 404)
    [line] = lines_of(proxy, name) if answer.status == 404 else [{"upstream": ""}]
    assert line["upstream"] == ""


def test_the_health_of_nginx_itself_is_told_on_its_own_machine(proxy: Proxy) -> None:
    assert proxy.status("GET", "/nginx-health") == 200


def test_a_request_has_one_id_from_nginx_to_the_answer(proxy: Proxy) -> None:
    given, _ = proxy.request("GET", "/health", X_Request_ID="mine.1_2-3")
    assert given.headers.get_all("X-Request-ID") == ["mine.1_2-3"]
    made, _ = proxy.request("GET", "/health")
    assert len(made.headers["X-Request-ID"]) == 32
    for forged in ('a"b', "x" * 65, "a b"):
        answer, _ = proxy.request("GET", "/health", X_Request_ID=forged)
        assert len(answer.headers["X-Request-ID"]) == 32


def test_the_access_log_is_json_without_what_was_asked_for(proxy: Proxy) -> None:
    path = '/events?user_id=secret&limit="'
    proxy.request("GET", path.replace('"', "%22"), X_Request_ID="logged", User_Agent='a"\\b')
    [line] = lines_of(proxy, "logged")
    assert (line["path"], line["status"], line["method"]) == ("/events", 400, "GET")
    assert (line["client"], line["agent"]) == (ports.HOST, 'a"\\b')
    proxy.request("GET", "/users/secret/events", X_Request_ID="of-a-user")
    [line] = lines_of(proxy, "of-a-user")
    assert line["path"] == "/users/*"
    proxy.request("GET", "/shared/secret/panels/trend", X_Request_ID="of-a-link")
    [line] = lines_of(proxy, "of-a-link")
    assert line["path"] == "/shared/*"
    assert not [line for line in proxy.log if "secret" in line]


def test_errors_of_nginx_are_problems_too(stack: Stack, tmp_path: Path) -> None:
    unreachable = nginx.upstream_of(f"{ports.HOST}:1", f"{ports.HOST}:2")
    with nginx.running(tmp_path, unreachable) as alone:
        answer, content = alone.request("POST", "/events", body())
    assert (answer.status, answer.headers["Retry-After"]) == (502, "5")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(content) == {"type": "about:blank", "title": "Bad Gateway", "status": 502}
    assert answer.headers["X-Request-ID"]


def test_errors_of_nginx_have_the_headers_of_the_services_own(proxy: Proxy) -> None:
    ours, _ = proxy.request("GET", "/nothing")
    theirs, _ = proxy.request("GET", "/metrics")
    assert (ours.status, theirs.status) == (404, 404)
    protecting = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")
    for name in (*protecting, "Cross-Origin-Opener-Policy"):
        assert theirs.headers[name] == ours.headers[name] is not None, name
