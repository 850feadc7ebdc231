"""The admin's list of periodic tasks says in words when each runs and what it does."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
)

from events.admin.periodic_tasks import title_of
from tests.dashboard.read import text

pytestmark = pytest.mark.django_db
LIST = "/admin/django_celery_beat/periodictask/"


def test_the_list_has_words_and_no_paths_of_modules(admin_client: Client) -> None:
    html = admin_client.get(LIST).content.decode()
    shown = text(html)
    assert "Every day at 3:00: drop hot days" in shown
    assert "Every 10 seconds: send what waits to ClickHouse" in shown
    assert "Every minute: free the space of sent batches" in shown
    assert "events." not in shown
    assert "importer." not in shown
    row = PeriodicTask.objects.get(name="drop hot days")
    page = admin_client.get(f"{LIST}{row.pk}/change/").content.decode()
    assert text(page).count("Every day at 3:00: drop hot days") == 3
    assert admin_client.get(f"{LIST}add/").status_code == 200


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"interval": IntervalSchedule(every=1, period="hours")}, "Every hour: x"),
        ({"interval": IntervalSchedule(every=3, period="days")}, "Every 3 days: x"),
        ({"crontab": CrontabSchedule(minute="5", hour="4")}, "Every day at 4:05: x"),
        (
            {"crontab": CrontabSchedule(minute="5", hour="4", timezone="Europe/Kyiv")},
            "Every day at 4:05 (Europe/Kyiv): x",
        ),
        ({"crontab": CrontabSchedule(minute="*/5", hour="*")}, "Every 5 minutes UTC: x"),
        ({}, "Never: x"),
    ],
)
def test_each_kind_of_schedule_is_told(schedule: dict[str, Any], said: str) -> None:
    assert title_of(PeriodicTask(name="x", **schedule)) == said


def test_a_moment_is_told() -> None:
    moment = ClockedSchedule(clocked_time=datetime(2026, 1, 1, tzinfo=UTC))
    assert "2026-01-01" in title_of(PeriodicTask(name="x", clocked=moment))
