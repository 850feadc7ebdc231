"""The only module that imports ClickHouse's driver: clients and blocks of columns."""

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver import client as clients
from clickhouse_connect.driver import exceptions
from clickhouse_connect.driver.ctypes import RespBuffCls
from clickhouse_connect.driver.httpclient import HttpClient
from clickhouse_connect.driver.httputil import ResponseSource, get_pool_manager
from clickhouse_connect.driver.transform import NativeTransform
from urllib3 import Timeout

Client: TypeAlias = clients.Client
DriverError = exceptions.ClickHouseError
OperationalError = exceptions.OperationalError

CONNECT_TIMEOUT_SECONDS = 5
# Idle connections that a process keeps: as many as threads that send queries at once.
POOL_CONNECTIONS = 32
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
