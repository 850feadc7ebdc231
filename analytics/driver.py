"""The only module that imports ClickHouse's driver: clients and blocks of columns."""

import logging
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import unquote, urlencode, urlsplit

import clickhouse_connect
from clickhouse_connect.driver import client as clients
from clickhouse_connect.driver import exceptions
from clickhouse_connect.driver.binding import bind_query
from clickhouse_connect.driver.ctypes import RespBuffCls
from clickhouse_connect.driver.httpclient import HttpClient
from clickhouse_connect.driver.httputil import ResponseSource, get_pool_manager
from clickhouse_connect.driver.transform import NativeTransform
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError, ProtocolError

Client: TypeAlias = clients.Client
DriverError = exceptions.ClickHouseError
OperationalError = exceptions.OperationalError

CONNECT_TIMEOUT_SECONDS = 5
# Idle connections that a process keeps: as many as threads that send queries at once.
POOL_CONNECTIONS = 32
# A longer address may be refused, by the server or by a proxy. The driver sends a form instead.
_LONGEST_ADDRESS = 4_000
# Answers after which the same query may succeed a moment later. It has not run.
_BUSY = frozenset({429, 503, 504})
# The driver also raises the errors that it logs as warnings with a traceback.
logging.getLogger(ResponseSource.__module__).setLevel(logging.ERROR)
# Clients by URL and by the seconds that they wait for an answer.
_clients: dict[tuple[str, int], Client] = {}


def client(url: str, seconds: int) -> Client:
    """This process's client that waits `seconds` for an answer. Raises DriverError."""
    key = url, seconds
    # Two threads may connect at once; one of the two clients is then not used. With a lock, all
    # threads would wait in line for a server that hangs.
    return _clients.get(key) or _clients.setdefault(key, _connect(*key))


def ask(
    made: Client,
    sql: str,
    *,
    parameters: Mapping[str, Any],
    settings: Mapping[str, Any],
    format: str,
) -> bytes:
    """The whole answer to a query that only reads, in a format of ClickHouse. Raises DriverError.

    It is the driver's `raw_query` on a shorter way, which takes half of the CPU: 0.5 ms less, of 8
    to 15 ms for a report on 100,000 events. What is unusual goes the driver's way, which also
    repeats what a connection that was closed meanwhile has lost.
    """
    assert isinstance(made, HttpClient)
    _, bound = bind_query(sql, {**parameters}, made.server_tz)
    # Without the first setting, an error could come in the middle of the answer.
    asked = {"wait_end_of_query": 1, "default_format": format, **made.params, **settings, **bound}
    address = f"/?{urlencode(asked)}"
    if len(address) <= _LONGEST_ADDRESS:
        response = _posted(made, address, sql)
        if response and response.status not in _BUSY:
            return _answer_in(response)
    return made.raw_query(sql, parameters={**parameters}, settings={**settings}, fmt=format)


def _posted(made: HttpClient, address: str, sql: str) -> BaseHTTPResponse | None:
    """The answer, or None if the connection was closed before it."""
    try:
        pool = made.http.connection_from_url(made.url)
        return pool.urlopen(
            "POST",
            address,
            sql.encode(),
            made.headers,
            retries=False,
            timeout=made.timeout,
        )
    except ProtocolError:
        return None
    except HTTPError as error:
        raise OperationalError(f"{error} ({made.url})") from error


def _answer_in(response: BaseHTTPResponse) -> bytes:
    code = response.headers.get("X-ClickHouse-Exception-Code")
    if response.status == HTTPStatus.OK and code is None:
        return response.data
    text = response.data.decode(errors="replace").strip()
    number = int(code) if code and code.isdecimal() else None
    raise exceptions.DatabaseError(f"{response.status}: {text}", code=number)


def answers(made: Client, seconds: float) -> bool:
    """Whether the server answers within so many seconds.

    The driver's own `ping` asks a server that is silent twice, and takes twice as long.
    """
    assert isinstance(made, HttpClient)
    pool = made.http.connection_from_url(made.url)
    for _ in range(2):
        try:
            answer = pool.urlopen("GET", "/ping", retries=False, timeout=seconds)
            return answer.status == HTTPStatus.OK
        except ProtocolError:
            continue  # a connection of the pool that the server has closed meanwhile
        except HTTPError:
            return False
    return False


def database_of(url: str) -> str:
    """The name of the database that an address points at."""
    return unquote(urlsplit(url).path.strip("/")) or "default"


def _connect(url: str, seconds: int) -> Client:
    parts = urlsplit(url)
    made = clickhouse_connect.get_client(
        interface=parts.scheme,
        host=parts.hostname,
        port=parts.port or (8443 if parts.scheme == "https" else 8123),
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        # The driver's first queries are fast, unless the server hangs.
        send_receive_timeout=min(seconds, CONNECT_TIMEOUT_SECONDS),
        # Without a session, queries of one process run side by side.
        autogenerate_session_id=False,
        # The driver's default pool would use a proxy from the environment, and it keeps only 8
        # connections.
        pool_mgr=get_pool_manager(maxsize=POOL_CONNECTIONS),
    )
    # The client is in no database. Each call names the database of its project.
    assert isinstance(made, HttpClient)
    made.timeout = Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=seconds)
    return made


def _forget_clients() -> None:
    """A forked child must not write into its parent's connections."""
    _clients.clear()


os.register_at_fork(after_in_child=_forget_clients)


def blocks(answer: Any) -> Generator[list[Sequence[Any]]]:
    """The blocks in a raw stream of the format Native, each a list of columns.

    Raises DriverError, and ValueError or LookupError if the answer is not a block.
    """
    response = _Undrained(answer)
    tag = response.headers.get("X-ClickHouse-Exception-Tag")
    with closing(response):
        origin: Any = ResponseSource(response, exception_tag=tag)  # type: ignore[arg-type]
        result: Any = NativeTransform.parse_response(RespBuffCls(origin))  # type: ignore[no-untyped-call]
        yield from result.column_block_stream.gen


class _Undrained:
    """A response that the driver closes without reading the rest, which may be all of it."""

    def __init__(self, response: Any) -> None:
        self.headers = response.headers
        self._response = response
        self._closed = False

    def stream(self, size: int, decode: bool) -> Iterator[bytes]:
        for chunk in self._response.stream(size, decode):
            yield chunk
            if self._closed:
                return

    def close(self) -> None:
        self._closed = True
        self._response.close()
