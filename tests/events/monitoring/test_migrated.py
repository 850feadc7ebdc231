"""A database without the tables of this version is told apart from one that is not there."""

import pytest
from django.db import connection
from django.test import Client

from events.monitoring import migrated


@pytest.mark.django_db
def test_ready_says_that_migrations_are_not_applied_until_they_are(client: Client) -> None:
    migrated._seen.clear()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'events' RETURNING app, name")
        gone = cursor.fetchall()
    assert client.get("/ready").json()["stores"]["postgresql"] == "MigrationsNotApplied"
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", gone
        )
    assert client.get("/ready").json()["stores"]["postgresql"] == "ok"
