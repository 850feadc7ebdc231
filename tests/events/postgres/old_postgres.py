"""A real PostgreSQL of before version 18, as Debian installs it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedded import ports
from embedded.stores import identity, postgres
from embedded.supervision.processes import Process, Program, launch_command
from events.postgres.version import OLDEST

_FOUND = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
_BINARIES = [path for path in _FOUND if int(path.parent.name) < OLDEST]

needs_old_postgres = pytest.mark.skipif(
    not _BINARIES, reason="no PostgreSQL before 18 is installed (apt-get install postgresql-15)"
)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Gives the address of an empty database."""
    folder.mkdir()
    binaries, port = _BINARIES[0], ports.pick_free()
    who = identity.choose(folder, binaries / "postgres")
    initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "--username=events"]
    once = Program(name="initdb", command=[*initdb, "--no-sync"], identity=who, folder=folder)
    subprocess.run(launch_command(once), capture_output=True, check=True)
    options = [f"--port={port}", f"--listen_addresses={ports.HOST}", "--unix_socket_directories="]
    url = f"postgresql://events@{ports.HOST}:{port}/postgres"
    server = Program(
        name="postgres",
        command=[str(binaries / "postgres"), "-D", str(folder / "data"), "--fsync=off", *options],
        url=url,
        ready=lambda: postgres.is_ready(url),
        folder=folder,
        identity=who,
    )
    with Process(server):
        yield url
