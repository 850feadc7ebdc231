"""A PostgreSQL that is too old is named before anything in it is changed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.db.backends.base import base

from embedded.supervision.processes import PROJECT
from events.postgres import version
from tests.events.postgres import old_postgres

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


@pytest.mark.production
@old_postgres.needs_old_postgres
def test_migrate_leaves_an_old_server_as_it_is_and_names_both_versions(tmp_path: Path) -> None:
    with old_postgres.running(tmp_path / "old") as url:
        answer = subprocess.run(
            [sys.executable, "manage.py", "migrate"],
            cwd=PROJECT,
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        with psycopg.connect(url) as asking:
            assert asking.execute(TABLES).fetchone() == (0,)
    assert answer.returncode == 1
    assert "PostgreSQL 18 or newer is needed; nothing was changed. This is PostgreSQL 1" in (
        answer.stderr
    )
    assert "Traceback" not in answer.stderr


@pytest.mark.django_db
def test_a_server_that_is_new_enough_is_taken_and_one_that_is_not_complained_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert version.check(databases=["default"]) == []
    assert version.check(databases=None) == []
    monkeypatch.setattr(version, "OLDEST", 99)
    [complaint] = version.check(databases=["default"])
    assert complaint.msg.startswith("PostgreSQL 99 or newer is needed; nothing was changed. This")


@pytest.mark.usefixtures("transactional_db")
def test_a_postgresql_that_is_too_old_for_django_too_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a fresh process asks, and this one has asked already.
    asked: Any = connections["default"]
    asked.close()
    asked.__dict__.pop("pg_version", None)
    with monkeypatch.context() as patched:
        patched.setattr(base, "RAN_DB_VERSION_CHECK", set())
        patched.setattr(type(asked.features), "minimum_database_version", (99,))
        [complaint] = version.check(databases=["default"])
        asked.close()
    assert "PostgreSQL 18 or newer is needed" in complaint.msg
    assert "(found 18." in complaint.msg
