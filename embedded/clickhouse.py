"""The ClickHouse engine behind its gateway: says how to run it."""

import http.client
import sys
from pathlib import Path
from urllib.parse import urlsplit

from embedded.ports import HOST
from embedded.processes import Program


def program(folder: Path, *, port: int, held: tuple[int, ...] = ()) -> Program:
    """The gateway on loopback `port` with the engine's data in `folder`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    url = f"http://default@{HOST}:{port}/default"
    module = ["-m", "embedded.gateway", "--path", str(folder), "--port", str(port)]
    return Program(
        name="clickhouse",
        command=[sys.executable, *module],
        url=url,
        ready=lambda: is_ready(url),
        timeout=120,
        held_files=held,
    )


def is_ready(url: str) -> bool:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(
        parts.hostname or "localhost", parts.port or (8443 if secure else 8123), timeout=2
    )
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
