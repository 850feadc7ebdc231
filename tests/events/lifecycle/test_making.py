"""Projects are made and listed by commands."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from analytics import clickhouse as engine
from events.lifecycle import making
from projects.models import DEFAULT, Project
from tests.posting import post
from tests.projects.made_projects import new as project
from tests.samples import event
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")


def test_a_command_makes_a_project_that_takes_events_and_answers(
    client: Client, capsys: Any
) -> None:
    call_command("make_project", "my-app", "--name=My app")
    try:
        assert "made project my-app" in capsys.readouterr().out
        answer = post(client, [event()], "?project=my-app&wait=true")
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
        deliver_all()
        day = "2020-01-01&to=2030-01-01"
        assert client.get(f"/stats/top-events?project=my-app&from={day}").json() == [
            {"event_type": "page_view", "count": 1}
        ]
        call_command("list_projects")
        listed = capsys.readouterr().out
        assert f"{DEFAULT}\tdefault\tDefault" in listed
        assert "\tmy-app\tMy app" in listed
    finally:
        call_command("delete_project", "my-app", "--yes=my-app")


@pytest.mark.parametrize(
    "slug",
    ["", "My-App", "a b", "a_b", "-a", "a-", "a--b", "a/b", "a;DROP", "ä", "a\n", "a" * 41, "a\0"],
    ids=ascii,
)
def test_a_slug_that_can_not_stand_in_an_address_is_refused(slug: str) -> None:
    with pytest.raises(ValidationError, match=r"lower-case|40 characters|blank|Null"):
        making.make(Project(slug=slug, name="x"))
    assert Project.objects.exclude(slug=None).count() == 1


def test_a_slug_that_is_taken_is_refused() -> None:
    with project("staging"), pytest.raises(CommandError, match="There is a project with this slug"):
        call_command("make_project", "staging")


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--limit=99999999999", "--limit: Ensure this value is less"),
        ("--limit=0", "--limit: Ensure"),
        ("--quota=99999999999999999999", "--quota: Ensure this value is less"),
        ("--history=40000", "--history: Ensure this value is less"),
        (f"--name={'n' * 101}", "--name: Ensure this value has at most 100"),
        ("--time-zone=Mars/Base", "Mars/Base"),
    ],
)
def test_the_option_of_a_wrong_value_is_named(argument: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("make_project", "staging", argument)


def test_a_wrong_slug_is_named() -> None:
    with pytest.raises(CommandError, match="the slug: A slug has"):
        call_command("make_project", "Staging")


def test_nothing_is_made_without_clickhouse(monkeypatch: Any) -> None:
    def gone(**_: Any) -> None:
        raise engine.ClickHouseUnavailable("gone")

    monkeypatch.setattr(making, "apply_schema", gone)
    with pytest.raises(CommandError, match="ClickHouse failed: gone"):
        call_command("make_project", "staging")
    assert list(Project.objects.values_list("slug", flat=True)) == ["default"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'dedup'::regclass")
        assert cursor.fetchone() == (1,)


def test_a_number_of_which_clickhouse_has_data_is_left_out() -> None:
    """PostgreSQL was restored from an old backup, and does not know the project."""
    with project("one") as first:
        taken = [engine.database(project=first.pk + more) for more in range(1, 30)]
        for name in taken:
            engine.command_server(f"CREATE DATABASE {name}")
        try:
            with project("two") as second:
                assert second.pk == first.pk + 30
        finally:
            for name in taken:
                engine.command_server(f"DROP DATABASE {name}")


def test_numbers_are_never_given_twice() -> None:
    with project("one") as first:
        pass
    with project("one") as second:
        assert second.pk > first.pk
