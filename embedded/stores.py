"""The three stores, in the order they start, each with the variable that carries its address."""

import importlib.util
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from embedded import clickhouse, ports, postgres, redis_server
from embedded.processes import Program

READY: dict[str, Callable[[str], bool]] = {
    "DATABASE_URL": postgres.is_ready,
    "REDIS_URL": redis_server.is_ready,
    "CLICKHOUSE_URL": clickhouse.is_ready,
}


def programs(
    folder: Path,
    *,
    given: Container[str] = (),
    throwaway: bool = False,
    held: tuple[int, ...] = (),
) -> Iterator[tuple[str, Program]]:
    """The variable and the program of each store whose variable is not among those `given`.

    Prepared one at a time, to be started as they come: a port stays free only so long.
    """
    if "DATABASE_URL" not in given:
        yield (
            "DATABASE_URL",
            postgres.program(
                folder / "postgres", port=ports.pick_free(), throwaway=throwaway, held=held
            ),
        )
    if "REDIS_URL" not in given:
        yield "REDIS_URL", redis_server.program(folder / "redis", port=ports.pick_free(), held=held)
    # Until the gateway is there.
    if importlib.util.find_spec("embedded.gateway.__main__") is None:
        return
    if "CLICKHOUSE_URL" not in given:
        yield (
            "CLICKHOUSE_URL",
            clickhouse.program(folder / "clickhouse", port=ports.pick_free(), held=held),
        )
