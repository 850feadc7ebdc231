"""The audit of packages, against a service that knows of one vulnerability, of none, or is away."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.audit import LOCK

KNOWN: dict[str, Any] = {
    "id": "PYSEC-1",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
    ],
}


@contextmanager
def service(vulnerable: str, *, seconds: float = 0) -> Iterator[str]:
    """The address of one that knows of a single vulnerable package, and takes its time."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(seconds)
            found = {"vulns": [KNOWN]} if asked["package"]["name"] == vulnerable else {}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audit(url: str, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.audit", "--osv-url", url, *more]
    done = subprocess.run(command, cwd=LOCK.parent, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_vulnerable_package_is_named_with_what_mends_it() -> None:
    with service("django") as url:
        code, said = audit(url)
    assert code == 1
    assert "PYSEC-1, fixed in 99" in said
    assert "django" in said


def test_every_pinned_package_is_asked_about() -> None:
    pinned = [line for line in LOCK.read_text().splitlines() if "==" in line and line[0] != " "]
    with service("none") as url:
        code, said = audit(url)
    assert code == 0
    [count] = [int(word) for word in said.split("of ")[1].split() if word.isdigit()]
    # Some are for other systems than this.
    assert len(pinned) - 5 <= count <= len(pinned)


def test_a_service_that_is_away_is_skipped() -> None:
    code, said = audit("http://127.0.0.1:1/v1/query")
    assert (code, said.split(",")[0]) == (0, "Audit: SKIPPED")


def test_a_service_that_hangs_is_skipped_in_time() -> None:
    began = time.monotonic()
    with service("none", seconds=3) as url:
        code, said = audit(url, "--seconds", "1")
        assert time.monotonic() - began < 3
    assert (code, "no answer within 1 s" in said) == (0, True)
