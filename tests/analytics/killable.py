"""A ClickHouse that tests kill, and what a kill leaves of its data."""

from pathlib import Path

from analytics import clickhouse
from embedded import ports
from embedded.stores import clickhouse as server
from embedded.supervision.processes import Process
from projects.models import DEFAULT


class Engine:
    """A ClickHouse of its own that can be killed and started again on its data."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._program = server.program(folder, port=ports.pick_free())
        self.url = self._program.url
        self.start()

    def start(self) -> None:
        self._process = Process(self._program).start()

    def kill(self) -> None:
        self._process.process.kill()  # type: ignore[union-attr]
        self._process.process.wait()  # type: ignore[union-attr]
        self.stop()

    def stop(self) -> None:
        self._process.__exit__()


def undo_rename(engine: Engine, table: str, *, torn: str = "") -> None:
    """As a kill would leave the newest part of a table, the log ending in a piece of a line."""
    [[paths]] = clickhouse.query(
        "SELECT data_paths FROM system.tables"
        " WHERE database = currentDatabase() AND name = {table:String}",
        parameters={"table": table},
        project=DEFAULT,
    )
    engine.kill()
    [folder] = map(Path, paths)
    log = max(folder.glob("deduplication_logs/*.txt"))
    parts = [line.split("\t")[1] for line in log.read_text().splitlines()]
    # One that was merged meanwhile can't be lost any more.
    part = next(part for part in reversed(parts) if (folder / part).is_dir())
    (folder / part).rename(folder / f"tmp_insert_{part}")
    with log.open("a") as file:
        file.write(torn)
    engine.start()
