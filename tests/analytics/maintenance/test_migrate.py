"""The ClickHouse schema: applied once, safe to repeat, never edited after it was applied."""

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now

from analytics import clickhouse, inserting
from analytics.maintenance import migrate
from analytics.maintenance.migrate import (
    SchemaChanged,
    SchemaFile,
    ServerTooOld,
    drop_database,
)
from analytics.management.commands import migrate_clickhouse
from analytics.schema import SCHEMA_DIR
from projects.models import DEFAULT, Project
from tests import clickhouse as engine
from tests.clickhouse import apply_schema
from tests.samples import event, framed

FIRST = "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Memory;\n"


@pytest.fixture
def database(settings: Any) -> Iterator[str]:
    """A database that does not exist yet, behind CLICKHOUSE_URL, as do those of other projects."""
    name = f"test_{uuid.uuid4().hex}"
    settings.CLICKHOUSE_URL = settings.CLICKHOUSE_URL.rsplit("/", 1)[0] + f"/{name}"
    yield name
    for made in databases(name):
        clickhouse.command_server(
            "DROP DATABASE {name:Identifier}",
            parameters={"name": clickhouse.Identifier(made)},
        )


def databases(beginning: str) -> list[str]:
    sql = "SELECT name FROM system.databases WHERE startsWith(name, {beginning:String}) ORDER BY 1"
    return [name for (name,) in clickhouse.query_server(sql, parameters={"beginning": beginning})]


def test_the_database_is_created_and_a_second_run_does_nothing(database: str) -> None:
    assert apply_schema() == [path.name for path in sorted(SCHEMA_DIR.glob("*.sql"))]
    assert apply_schema() == []
    assert engine.query("SELECT count() FROM events") == [[0]]


def test_two_runs_at_once_do_no_harm(database: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for run in [pool.submit(apply_schema) for _ in range(2)]:
            run.result()
    assert apply_schema() == []


def test_an_edited_file_is_an_error_before_anything_is_applied(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "0001_a.sql"
    file.write_text(FIRST)
    assert apply_schema(directory=tmp_path) == ["0001_a.sql"]
    file.write_text(FIRST + "-- more\n")
    (tmp_path / "0002_b.sql").write_text(FIRST.replace(" a ", " b "))
    with pytest.raises(SchemaChanged, match=r"0001_a\.sql"):
        apply_schema(directory=tmp_path)
    assert engine.query("EXISTS TABLE b") == [[0]]


def test_a_run_cut_off_in_a_file_is_repeated(database: str, tmp_path: Path) -> None:
    file = tmp_path / "0001_a.sql"
    file.write_text(FIRST + "\nCREATE TABLE IF NOT EXISTS b (x NoSuchType) ENGINE = Memory;\n")
    with pytest.raises(clickhouse.ClickHouseError):
        apply_schema(directory=tmp_path)
    file.write_text(FIRST)
    assert apply_schema(directory=tmp_path) == ["0001_a.sql"]


def test_a_file_is_cut_where_a_semicolon_ends_a_line() -> None:
    file = SchemaFile("x.sql", "-- one; two\nSELECT ';';\n\nSELECT 2\n;\n")
    assert file.statements == ["-- one; two\nSELECT ';'", "SELECT 2"]


@pytest.mark.django_db
def test_the_command_says_what_it_did(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("migrate_clickhouse", wait=5)
    assert "applied 0001_events.sql" in capsys.readouterr().out
    call_command("migrate_clickhouse")
    assert "up to date" in capsys.readouterr().out


def applied(slug: str = "") -> str:
    said = f"{slug}: applied" if slug else "applied"
    return "".join(f"{said} {it.name}\n" for it in sorted(SCHEMA_DIR.glob("*.sql")))


@pytest.mark.django_db
def test_every_project_that_is_not_deleted_gets_its_schema(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Project.objects.create(pk=77, slug="shop", name="Shop")
    Project.objects.create(pk=78, slug="gone", name="Gone", deleted_at=Now())
    call_command("migrate_clickhouse")
    assert capsys.readouterr().out == applied("default") + applied("shop")
    assert databases(database) == [database, f"{database}_{shop.pk}"]
    assert engine.query("SELECT count() FROM events", project=shop.pk) == [[0]]
    call_command("migrate_clickhouse")
    assert capsys.readouterr().out == "ClickHouse schema is up to date\n"


@pytest.mark.django_db
def test_one_project_alone_gets_its_schema_if_it_is_named(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Project.objects.create(pk=77, slug="shop", name="Shop")
    call_command("migrate_clickhouse", project="shop")
    assert capsys.readouterr().out == applied()
    assert databases(database) == [f"{database}_{shop.pk}"]


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["nobodys", "gone", ""])
def test_a_project_that_there_is_not_is_an_error(database: str, slug: str) -> None:
    Project.objects.create(pk=78, slug="gone", name="Gone", deleted_at=Now())
    with pytest.raises(CommandError, match=f"there is no project {slug}"):
        call_command("migrate_clickhouse", project=slug)
    assert databases(database) == []


@pytest.mark.django_db
def test_the_project_whose_schema_was_changed_is_named(database: str) -> None:
    shop = Project.objects.create(pk=77, slug="shop", name="Shop")
    call_command("migrate_clickhouse")
    engine.command("TRUNCATE TABLE schema_files", project=shop.pk)
    record = "INSERT INTO schema_files (name, sha256) VALUES ('0001_events.sql', 'x')"
    engine.command(record, project=shop.pk)
    with pytest.raises(CommandError, match=r"^shop: 0001_events\.sql was changed"):
        call_command("migrate_clickhouse")


@pytest.mark.django_db
def test_a_project_that_fails_keeps_no_other_from_its_schema(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    test_the_project_whose_schema_was_changed_is_named(database)
    later = Project.objects.create(pk=79, slug="later", name="Later")
    capsys.readouterr()
    with pytest.raises(CommandError, match=r"^shop: 0001_events\.sql was changed"):
        call_command("migrate_clickhouse")
    assert capsys.readouterr().out == applied("later")
    assert engine.query("SELECT count() FROM events", project=later.pk) == [[0]]


@pytest.mark.django_db
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_project_that_is_deleted_meanwhile_gets_no_database(
    database: str, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def delete() -> None:
        Project.objects.filter(pk=78).update(deleted_at=Now())

    def apply(**given: Any) -> list[str]:
        done = migrate.apply_schema(**given)
        if given["project"] == (DEFAULT if when == "before" else 78):
            delete()
        return done

    monkeypatch.setattr(migrate_clickhouse, "apply_schema", apply)
    Project.objects.create(pk=78, slug="going", name="Going")
    call_command("migrate_clickhouse")
    assert databases(database) == [database]


@pytest.mark.django_db
def test_without_the_table_of_projects_nothing_is_applied(database: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE projects RENAME TO not_yet")
    with pytest.raises(CommandError, match=r"run manage\.py migrate first"):
        call_command("migrate_clickhouse")
    assert databases(database) == []


def test_the_database_of_a_project_is_dropped_with_all_that_is_in_it(database: str) -> None:
    for project in (DEFAULT, 2, 23):
        apply_schema(project=project)
    insert(2)
    drop_database(project=2)
    drop_database(project=2)
    assert databases(database) == [database, f"{database}_23"]
    with pytest.raises(clickhouse.ClickHouseUnavailable):
        insert(2)
    apply_schema(project=2)
    assert engine.query("SELECT count() FROM events", project=2) == [[0]]


def insert(project: int) -> None:
    inserting.insert_block(project=project, token="one", body=framed([event()]))


def test_the_database_of_the_default_project_is_not_dropped(database: str) -> None:
    apply_schema()
    with pytest.raises(ValueError, match="default project"):
        drop_database(project=DEFAULT)
    assert databases(database) == [database]


@pytest.mark.parametrize("found", ["24.8.14.39", "25.7.9.1", "25.3.8.10041.altinitystable"])
def test_an_old_clickhouse_is_named_with_what_is_needed(found: str) -> None:
    said = f"ClickHouse 25.8 or newer is needed; nothing was changed. This is {found}."
    with pytest.raises(ServerTooOld, match=re.escape(said)):
        migrate._check_version(found)


@pytest.mark.parametrize("found", ["25.8.1.1", "25.10.1.1", "26.1.2.3", "100.1", "unknown"])
def test_a_clickhouse_that_is_new_enough_or_does_not_say_is_taken(found: str) -> None:
    migrate._check_version(found)


@pytest.mark.django_db
def test_a_server_that_is_too_old_is_left_as_it_is(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "OLDEST", (99, 1))
    found = re.escape(clickhouse.server_version())
    with pytest.raises(CommandError, match=rf"99\.1 or newer is needed.* This is {found}"):
        call_command("migrate_clickhouse")
    assert databases(database) == []


def test_the_command_gives_up_waiting_with_a_clear_error(settings: Any) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    with pytest.raises(CommandError, match=r"127\.0\.0\.1"):
        call_command("migrate_clickhouse", wait=1)
