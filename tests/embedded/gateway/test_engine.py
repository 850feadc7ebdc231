"""Which connections of the engine serve a second query, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

from embedded.supervision.processes import PROJECT

_ASK = """
import json, sys
from pathlib import Path
from embedded.gateway.engine import Engine
from embedded.gateway.errors import EngineError

engine = Engine(path=Path(sys.argv[1]), memory_bytes=2**30, max_queries=3, queue_seconds=1)

def used(threads=1, sql="SELECT 1", only_reads=True, **more):
    settings = {"max_threads": str(threads), **more}
    with engine.session(settings=settings, database="", only_reads=only_reads) as connection:
        connection.query(sql, "Null")
        return connection

first = used()
said = {"same settings": used() is first, "other settings": used(threads=2) is first}
said["another comment"] = used(log_comment="request 2") is first
said["writes"] = used(only_reads=False) is first
said["after a write"] = used() is first
try:
    used(sql="SELECT nothing")
except EngineError:
    said["after an error"] = used() is first
for threads in range(10, 20):
    used(threads=threads)
said["kept"] = [preamble.split("max_threads = ")[1] for preamble, *_ in engine._idle]
print(json.dumps(said))
engine.close(patience_seconds=5)
"""


def test_a_connection_is_used_again_by_queries_that_only_read_with_the_same_settings(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(tmp_path / "data")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "same settings": True,
        "other settings": False,
        "another comment": True,
        "writes": False,
        "after a write": True,
        "after an error": False,
        "kept": ["'17'", "'18'", "'19'"],
    }
