"""Stores of the environment: the stack starts none in their places."""

from pathlib import Path

import pytest

from embedded import __main__ as stack
from embedded import stores

REDIS = ["REDIS_URL", "RATE_LIMIT_REDIS_URL"]


@pytest.mark.parametrize(
    ("given", "started"),
    [
        ([], REDIS),
        (["RATE_LIMIT_REDIS_URL"], REDIS[:1]),
        (["REDIS_URL"], []),  # one for both
        (REDIS, []),
    ],
)
def test_no_store_is_prepared_for_a_variable_that_is_given(
    tmp_path: Path, given: list[str], started: list[str]
) -> None:
    others = ["DATABASE_URL", "CLICKHOUSE_URL"]
    assert [name for name, _ in stores.programs(tmp_path, given=[*others, *given])] == started
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "clickhouse").exists()


def test_every_store_of_the_environment_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {name: f"{name} of a user" for name in stack.STORE_VARIABLES}
    for name, address in given.items():
        monkeypatch.setenv(name, address)
    assert given.items() <= stack._settings(tmp_path).items()
