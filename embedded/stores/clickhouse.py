"""The ClickHouse engine behind its gateway: says how to run it."""

import sys
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

import urllib3

from embedded import private_files
from embedded.ports import HOST
from embedded.supervision.processes import PATIENCE_SECONDS, Program


def program(folder: Path, *, port: int, held: tuple[int, ...] = ()) -> Program:
    """The gateway on loopback `port` with the engine's data in `folder`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    password = private_files.secret(folder / "password")
    url = f"http://default:{password}@{HOST}:{port}/default"
    module = ["-m", "embedded.gateway", "--path", str(folder / "data"), "--port", str(port)]
    return Program(
        name="clickhouse",
        command=[sys.executable, *module],
        url=url,
        ready=lambda: is_ready(url),
        disk=folder,
        stop_timeout=120,
        environment={"GATEWAY_PASSWORD": password},
        held_files=held,
        quiet_at_start=True,
    )


def is_ready(url: str) -> bool:
    try:
        address = urljoin(url, "/ping")
        ping = urllib3.request("GET", address, timeout=PATIENCE_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return ping.status == HTTPStatus.OK
