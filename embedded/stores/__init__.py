"""The three stores, in the order they start, each with the variable that carries its address."""

import time
from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from pathlib import Path

from embedded import ports
from embedded.stores import clickhouse, postgres, redis_server
from embedded.supervision.processes import Program, StackError

READY: dict[str, Callable[[str], bool]] = {
    "DATABASE_URL": postgres.is_ready,
    "REDIS_URL": redis_server.is_ready,
    "RATE_LIMIT_REDIS_URL": redis_server.is_ready,
    "CLICKHOUSE_URL": clickhouse.is_ready,
}
GIVEN_SECONDS = 10


def wait_for_given(variables: Mapping[str, str]) -> None:
    """Wait a little for each store that `variables` name. Raises StackError."""
    deadline = time.monotonic() + GIVEN_SECONDS
    for name, answers in checks(variables).items():
        while not answers():
            if time.monotonic() > deadline:
                raise StackError(f"the store at {name} does not answer")
            time.sleep(0.2)


def checks(variables: Mapping[str, str]) -> dict[str, Callable[[], bool]]:
    """For each variable that has a store's address, a check whether the store answers."""
    return {name: partial(READY[name], variables[name]) for name in READY if name in variables}


def programs(
    folder: Path,
    *,
    given: Container[str] = (),
    throwaway: bool = False,
    held: tuple[int, ...] = (),
) -> Iterator[tuple[str, Program]]:
    """The variable and the program of each store whose variable is not in `given`.

    They are prepared one at a time. Start each one before taking the next, because its port may
    not stay free.
    """
    if "DATABASE_URL" not in given:
        yield (
            "DATABASE_URL",
            postgres.program(
                folder / "postgres", port=ports.pick_free(), throwaway=throwaway, held=held
            ),
        )
    if "REDIS_URL" not in given:
        yield "REDIS_URL", redis_server.queue(folder / "redis", port=ports.pick_free(), held=held)
        if "RATE_LIMIT_REDIS_URL" not in given:
            yield (
                "RATE_LIMIT_REDIS_URL",
                redis_server.rate_limit(folder / "rate-limit", port=ports.pick_free(), held=held),
            )
    if "CLICKHOUSE_URL" not in given:
        yield (
            "CLICKHOUSE_URL",
            clickhouse.program(folder / "clickhouse", port=ports.pick_free(), held=held),
        )
