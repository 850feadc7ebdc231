"""A real PgBouncer in transaction mode in front of a PostgreSQL."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from embedded import ports
from embedded.stores import identity, postgres
from embedded.supervision.processes import Program

# Debian keeps it where an ordinary user's PATH does not lead.
BINARY = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

needs_pgbouncer = pytest.mark.skipif(
    not BINARY, reason="PgBouncer is not installed (apt-get install pgbouncer)"
)
# Fewer than the processes of a service hold: each statement may find another connection.
_RULES = """\
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {host}
listen_port = {own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 200
# The one lent longest ago is lent next, so that a session is never served by one connection.
server_round_robin = 1
"""


def in_front(folder: Path, *, pool: int) -> Callable[[Mapping[str, str]], Program]:
    """The program, for the variables of a service whose PostgreSQL is to be behind it."""

    def program(variables: Mapping[str, str]) -> Program:
        assert BINARY
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        parts, own = urlsplit(variables["DATABASE_URL"]), ports.pick_free()
        users = folder / "users.txt"
        users.write_text(f'"{parts.username}" "{parts.password}"\n')
        rules = folder / "pgbouncer.ini"
        rules.write_text(
            _RULES.format(host=ports.HOST, port=parts.port, own=own, users=users, pool=pool)
        )
        url = f"postgresql://{parts.username}:{parts.password}@{ports.HOST}:{own}{parts.path}"
        return Program(
            name="pgbouncer",
            command=[BINARY, str(rules)],
            url=url,
            ready=lambda: postgres.is_ready(url),
            identity=identity.choose(folder, Path(BINARY)),
        )

    return program
