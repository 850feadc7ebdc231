"""A real nginx with our configuration, in front of api processes started as in production."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import NamedTuple

from embedded import ports
from embedded.supervision.processes import Process, Program
from tests import environment
from tests.docker import compose
from tests.project import PROJECT

# Debian keeps it where an ordinary user's PATH does not lead; NGINX names another to test with.
BINARY = os.environ.get("NGINX") or shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
CONFIGURATION = PROJECT / "docker" / "nginx.conf"
UPSTREAM = PROJECT / "docker" / "nginx-upstream.conf"
# The first whose open source resolves names of an upstream anew.
RESOLVES = (1, 27, 3)


class Proxy(NamedTuple):
    port: int
    folder: Path

    @property
    def log(self) -> list[str]:
        return (self.folder / "access.log").read_text().splitlines()

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """Headers are named as in Python, with `_` for `-`; `Host` can be given too."""
        connection = HTTPConnection(ports.HOST, self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def status(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        return self.request(method, path, body, **headers)[0].status


def version() -> tuple[int, ...]:
    assert BINARY
    said = subprocess.run([BINARY, "-v"], capture_output=True, check=True, text=True).stderr
    [number] = re.findall(r"nginx/([\d.]+)", said)
    return tuple(int(part) for part in number.split("."))


def api(port: int, *, host: str = ports.HOST, **variables: str) -> Program:
    """One api container's process: the command of docker-compose.yml on another address."""
    command = compose.services()["api"]["command"]
    name, *options = replaced(
        "\n".join(command),
        {"--host=0.0.0.0": f"--host={host}", "--port=8000": f"--port={port}"},
    ).split("\n")
    return Program(
        name="api",
        command=[str(Path(sys.executable).parent / name), *options],
        ready=lambda: answers(port, host),
        environment={**environment.of_the_stores(), "TRUSTED_PROXIES": "1", **variables},
    )


def answers(port: int, host: str = ports.HOST, path: str = "/health") -> bool:
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def upstream_of(*servers: str) -> str:
    """Our upstream with servers that are known, as older versions of nginx understand it."""
    named = "server api:8000 resolve"
    text = UPSTREAM.read_text()
    [options] = re.findall(rf"{named}([^;]*);", text)
    text = replaced(text, {"resolver 127.0.0.11 valid=5s ipv6=off;": ""})
    listed = "".join(f"server {server}{options};\n" for server in servers)
    return replaced(text, {f"{named}{options};": listed})


@contextmanager
def running(folder: Path, upstream: str) -> Iterator[Proxy]:
    """docker/nginx.conf with nothing changed but addresses and paths."""
    assert BINARY
    port = ports.pick_free()
    (folder / "upstream.conf").write_text(upstream)
    text = replaced(
        CONFIGURATION.read_text().replace(" /tmp/", f" {folder}/"),
        {
            "listen 8080 ": f"listen {ports.HOST}:{port} ",
            "include /etc/nginx/nginx-upstream.conf;": f"include {folder}/upstream.conf;",
            "access_log /dev/stdout ": f"access_log {folder}/access.log ",
        },
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(text)
    # The container runs it as no root; here root's folders would be closed to another user.
    directives = "daemon off;" + ("user root;" if os.geteuid() == 0 else "")
    program = Program(
        name="nginx",
        command=[BINARY, "-p", str(folder), "-c", str(configuration), "-g", directives],
        ready=lambda: answers(port, path="/nginx-health"),
    )
    with Process(program):
        yield Proxy(port, folder)


def replaced(text: str, changes: dict[str, str]) -> str:
    """Each must be there once, or what is tested is not what is deployed."""
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
