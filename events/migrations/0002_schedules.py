"""The periodic tasks, as rows that an operator may edit; made once, never overwritten."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Name: task, when, seconds after which a run that nobody took is dropped, what it does.
_Rows = dict[str, tuple[str, dict[str, object], int, str]]
EVERY: _Rows = {
    "send what waits to ClickHouse": (
        "events.deliver_batches",
        {"every": 10, "period": "seconds"},
        60,
        "Sends batches to ClickHouse that the web servers and workers have not sent.",
    ),
    "make the next hot days": (
        "events.make_hot_partitions",
        {"every": 1, "period": "hours"},
        3600,
        "Makes the daily partitions of the hot layer ahead of time.",
    ),
    "import uploaded files": (
        "importer.import_uploads",
        {"every": 10, "period": "seconds"},
        60,
        "Continues uploads that wait and uploads whose worker was killed.",
    ),
    "finish deletions of projects": (
        "events.finish_deletions",
        {"every": 1, "period": "hours"},
        3600,
        "Goes on with deletions of projects that broke off.",
    ),
    "finish changes of time zones": (
        "events.finish_time_zones",
        {"every": 1, "period": "hours"},
        3600,
        "Goes on with changes of time zones that broke off.",
    ),
    "free the space of sent batches": (
        "events.vacuum_outbox",
        {"every": 1, "period": "minutes"},
        60,
        "Makes the disk space of delivered batches usable again.",
    ),
}
DAILY: _Rows = {
    "drop hot days": (
        "events.purge_hot_events",
        {"hour": "3", "minute": "0"},
        12 * 3600,
        "Drops the days that have left the hot window. ClickHouse keeps them.",
    ),
    "delete old event ids": (
        "events.purge_ids",
        {"hour": "3", "minute": "20"},
        12 * 3600,
        "Deletes event ids older than DEDUP_DAYS, if this setting is not 0.",
    ),
    "delete old batches": (
        "events.purge_batches",
        {"hour": "3", "minute": "40"},
        12 * 3600,
        "Deletes finished batches older than BATCH_DAYS.",
    ),
    "delete old rejected events": (
        "events.purge_rejected_events",
        {"hour": "3", "minute": "50"},
        12 * 3600,
        "Deletes events that were rejected more than REJECTED_DAYS ago.",
    ),
    "drop old months of projects": (
        "events.drop_history",
        {"hour": "4", "minute": "20"},
        12 * 3600,
        "Drops whole months of projects that keep a number of days, in both stores.",
    ),
    "delete old uploads": (
        "importer.purge_uploads",
        {"hour": "4", "minute": "0"},
        12 * 3600,
        "Deletes uploads that ended more than IMPORT_DAYS ago, and their rejected rows.",
    ),
}


def make_schedules(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    for name, (task, when, expires, text) in EVERY.items():
        interval, _ = intervals.get_or_create(**when)
        _make(apps, name, task, expires, text, interval=interval)
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    for name, (task, when, expires, text) in DAILY.items():
        crontab, _ = crontabs.get_or_create(**when, timezone="UTC")
        _make(apps, name, task, expires, text, crontab=crontab)


def _make(apps: Apps, name: str, task: str, expires: int, text: str, **schedule: object) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.create(
        name=name, task=task, expire_seconds=expires, description=text, **schedule
    )


def drop_schedules(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    task.objects.filter(name__in=[*EVERY, *DAILY]).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(make_schedules, drop_schedules)]
