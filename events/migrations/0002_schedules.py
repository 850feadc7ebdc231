"""The periodic tasks, as rows that an operator may edit; made once, never overwritten."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def make_schedules(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    seconds = interval.objects.create(every=10, period="seconds")
    hours = interval.objects.create(every=1, period="hours")
    task.objects.create(
        name="deliver batches",
        task="events.deliver_batches",
        interval=seconds,
        expire_seconds=60,
        description="Sends to ClickHouse what the processes that stored it have not.",
    )
    task.objects.create(
        name="make hot partitions",
        task="events.make_hot_partitions",
        interval=hours,
        expire_seconds=3600,
        description="Makes the daily partitions of the hot layer ahead of time.",
    )


def drop_schedules(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    task.objects.filter(name__in=["deliver batches", "make hot partitions"]).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(make_schedules, drop_schedules)]
