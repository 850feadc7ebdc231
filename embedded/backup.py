"""`make backup` and `make restore`: copies the data of the one-machine stack to a folder, and back.

The stores are copied one after another while events arrive, in the order in which events travel:
queue and uploads, PostgreSQL, ClickHouse. So an event that was accepted before the backup is in at
least one copy. If it is in several, the service recognizes it by its id, and `verify_stores` makes
the stores agree.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import urllib3

from embedded import application, data_folder, stores
from embedded.__main__ import without_password
from embedded.stores import postgres
from embedded.supervision.console import Console
from embedded.supervision.processes import PROJECT, StackError
from embedded.supervision.supervisor import Supervisor

# Files in the data folder that no store has. Without the key everybody would have to log in again.
FILES = ("secret-key", "admin-password")
QUEUE = "appendonly.aof"
DATABASES = "clickhouse-databases"
# The default project's database, and those of the others: its name and their number.
_OF_PROJECTS = (
    "SELECT name FROM system.databases WHERE match(name, '^default(_[0-9]+)?$') ORDER BY name"
)
OURS = ("postgres", "redis", "clickhouse")
DUMP = "postgres.dump"
ENGINE = "clickhouse"
# The size of each file of the backup. A queue that was cut would be restored without an error.
CONTENTS = "contents.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="embedded.backup", description=__doc__)
    parser.add_argument(
        "--restore", action="store_true", help="make a new DATA_DIR from the folder of a backup"
    )
    parser.add_argument("folder", help="the folder of the backup")
    options = parser.parse_args()
    if not options.folder:
        example = "restore FROM" if options.restore else "backup TO"
        print(f"Say which folder: make {example}=/backups/monday", file=sys.stderr)
        return 2
    data = Path(os.environ.get("DATA_DIR") or PROJECT / ".data").absolute()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupted)
    try:
        (restore if options.restore else backup)(data, Path(options.folder).absolute())
    except KeyboardInterrupt as stop:
        print(f"Stopped by {stop}. The copy is not complete and can't be used.", file=sys.stderr)
        return 130
    except (StackError, OSError) as error:
        print(f"Stopped: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupted(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def backup(data: Path, folder: Path) -> None:
    """Back up the stack that runs on `data` into a new `folder`. Raises StackError, OSError."""
    addresses = data_folder.announced_in(data)
    if not addresses:
        raise StackError(f"no stack runs on DATA_DIR={data}; if it is stopped, copy that folder")
    if missing := [name for name in OURS if not (data / name).exists()]:
        raise StackError(
            f"DATA_DIR={data} has no data of {', '.join(missing)}, because the stack uses other"
            " servers; back up those servers with their own tools"
        )
    # The folder gets its name only when it is complete.
    draft = folder.with_name(f".{folder.name}.draft")
    if folder.exists():
        raise StackError(f"{folder} exists already; name a new folder")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    try:
        _copy(data, addresses, draft)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    print(f"{folder} has every event that was accepted before the backup began.")


def _copy(data: Path, addresses: Mapping[str, str], folder: Path) -> None:
    _copy_queue(data, folder)
    _run_client("pg_dump", addresses["DATABASE_URL"], "--format=custom", f"--file={folder / DUMP}")
    _backup_clickhouse(addresses["CLICKHOUSE_URL"], folder)
    for name in FILES:
        shutil.copy2(data / name, folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    (folder / CONTENTS).write_text(json.dumps(sizes, indent=0))


def _copy_queue(data: Path, folder: Path) -> None:
    """Redis appends to its log, so a copy may end at any byte; a rewritten log is another file."""
    shutil.copy(data / "redis" / QUEUE, folder)
    if (data / "imports").exists():
        shutil.copytree(data / "imports", folder / "imports", copy_function=_copy_if_there)


def _copy_if_there(source: str, target: str) -> None:
    """An upload that is gone has been imported meanwhile, and is in PostgreSQL."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def _run_client(name: str, url: str, *arguments: str) -> None:
    """Run a client of PostgreSQL. Raises StackError with what it printed.

    The password is not in the command line, which everyone on the machine can read.
    """
    command = [str(postgres.binary(name)), *arguments, f"--dbname={without_password(url)}"]
    secret = {"PGPASSWORD": urlsplit(url).password or ""}
    done = subprocess.run(
        command, env={**os.environ, **secret}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StackError(f"{name} failed:\n{done.stdout}{done.stderr}".rstrip())


def _backup_clickhouse(url: str, folder: Path) -> None:
    """Back up the database of each project, and their names in DATABASES."""
    names = _clickhouse(url, _OF_PROJECTS).split()
    _clickhouse(url, f"BACKUP {_databases(names)} TO {_place(folder)}")
    (folder / DATABASES).write_text("\n".join(names))


def _databases(names: list[str]) -> str:
    return ", ".join(f"DATABASE {name}" for name in names)


def _clickhouse(url: str, statement: str) -> str:
    """ClickHouse's answer. Raises StackError with its reason."""
    parts = urlsplit(url)
    answer = urllib3.request(
        "POST",
        f"http://{parts.hostname}:{parts.port}/",
        body=statement.encode(),
        headers={"X-ClickHouse-Key": parts.password or ""},
        timeout=urllib3.Timeout(connect=5, read=None),
        retries=False,
    )
    if answer.status != 200:
        raise StackError(f"ClickHouse: {answer.data.decode(errors='replace').strip()}")
    return answer.data.decode()


def _place(folder: Path) -> str:
    escaped = str(folder / ENGINE).replace("\\", "\\\\").replace("'", "\\'")
    return f"File('{escaped}')"


# The process that claimed a batch when the copy was made is gone. Its claim would hold the batch
# for two minutes.
_NOBODY_DELIVERS = "UPDATE batches SET claimed_until = NULL WHERE claimed_until IS NOT NULL"


def restore(data: Path, folder: Path) -> None:
    """Restore `folder` into a new stack on `data`, then stop it. Raises StackError, OSError.

    If it fails or is killed, `data` stays marked as unfinished, and nothing runs on it.
    """
    _require_complete(folder)
    application.require_settings({"DATA_DIR": str(data)})
    console = Console()
    with Supervisor(console) as supervisor:
        lock = supervisor.keep(data_folder.claimed(data, say=console.say))
        data_folder.require_finished(data)
        if there := [name for name in OURS if (data / name).exists()]:
            raise StackError(
                f"DATA_DIR={data} has data already ({', '.join(there)}); restore into a new folder:"
                f" DATA_DIR=new make restore FROM={folder}"
            )
        data_folder.mark_unfinished(data, folder)
        try:
            _fill(supervisor, lock, data, folder)
        except (StackError, OSError) as error:
            raise StackError(f"{error}\n{data_folder.unfinished(data)}") from error
    data_folder.mark_finished(data)
    console.say(f"DATA_DIR={data} is restored; make up starts the service.")


def _require_complete(folder: Path) -> None:
    """Raises StackError unless the backup has all its parts, each in its whole size.

    Backups of earlier versions do not list their sizes.
    """
    if not (folder / DUMP).exists():
        raise StackError(f"{folder} is not a backup: it has no {DUMP}")
    sizes: dict[str, int | None] = dict.fromkeys((QUEUE, DATABASES, f"{ENGINE}/.backup", *FILES))
    try:
        sizes |= json.loads((folder / CONTENTS).read_text())
    except FileNotFoundError:
        pass
    except ValueError:
        raise StackError(f"{folder} is not complete: {CONTENTS} was cut") from None
    for name, size in sizes.items():
        if not (folder / name).is_file():
            raise StackError(f"{folder} is not complete: it has no {name}; copy the backup again")
        found = (folder / name).stat().st_size
        if size not in (None, found):
            raise StackError(
                f"{folder} is not complete: {name} has {found:,} bytes instead of {size:,};"
                " copy the backup again"
            )


def _fill(supervisor: Supervisor, lock: int, data: Path, folder: Path) -> None:
    """Start new stores on `data`, and put the backup into them."""
    _put_files(folder, data)
    variables = {"DJANGO_SECRET_KEY": data_folder.signing_key(data)}
    for name, program in stores.programs(data, held=(lock,)):
        supervisor.start(program)
        variables[name] = program.url
    url = variables["DATABASE_URL"]
    _run_client("pg_restore", url, "--single-transaction", str(folder / DUMP))
    _run_client("psql", url, "--command", _NOBODY_DELIVERS)
    names = (folder / DATABASES).read_text().split()
    statement = f"RESTORE {_databases(names)} FROM {_place(folder)}"
    _clickhouse(variables["CLICKHOUSE_URL"], statement)
    _make_agree(supervisor, {**variables, "DATA_DIR": str(data)})


def _put_files(folder: Path, data: Path) -> None:
    for name in FILES:
        shutil.copy2(folder / name, data)
    (data / "redis").mkdir(mode=0o700)
    shutil.copy(folder / QUEUE, data / "redis")
    if (folder / "imports").exists():
        shutil.copytree(folder / "imports", data / "imports", dirs_exist_ok=True)


def _make_agree(supervisor: Supervisor, environment: Mapping[str, str]) -> None:
    """Before new events are stored, repair in this order: tables, rollups, outbox, both stores.

    The tables become those of this version. ClickHouse's tables are copied one after another, so
    a rollup may lack events that the events table has. The outbox may hold batches that ClickHouse
    already had when it was copied. They are sent again and doubled there, which the verification
    repairs.
    """
    repairs = [["rebuild_rollups"], ["deliver_batches"], ["verify_stores", "--repair"]]
    program = application.commands("repair", [*application.TABLES, *repairs], environment)
    supervisor.start(program)


if __name__ == "__main__":
    sys.exit(main())
