"""The hot window: daily partitions of `hot_events`, made ahead of time."""

from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db import connection, transaction

# Events may lie up to a day ahead; two more days leave time to notice that beat is down.
DAYS_AHEAD = 3


def window_start(now: datetime, *, days: int | None = None) -> datetime:
    """Return midnight UTC of the first day that the hot layer keeps: `days` before today.

    `days` is HOT_WINDOW_DAYS by default.
    """
    kept = settings.HOT_WINDOW_DAYS if days is None else days
    first = now.astimezone(UTC).date() - timedelta(days=kept)
    return datetime.combine(first, time.min, UTC)


_ensured: date | None = None


def ensure_partitions_today() -> None:
    """Call `ensure_partitions` once a day in each process. Cheap enough for every store."""
    global _ensured  # noqa: PLW0603
    now = datetime.now(UTC)
    if _ensured != now.date():
        ensure_partitions(now=now)
        _ensured = now.date()


def ensure_partitions(*, now: datetime) -> list[date]:
    """Make the partitions of the whole window and some days ahead; returns the days made.

    Safe to run from many processes at once.
    """
    first = window_start(now).date()
    last = now.astimezone(UTC).date() + timedelta(days=DAYS_AHEAD)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    there = partition_days()
    return [day for day in days if day not in there and _make_partition(day)]


def partition_days() -> set[date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = 'hot_events'::regclass"
        )
        names = [row[0] for row in cursor.fetchall()]
    return {datetime.strptime(name[-8:], "%Y%m%d").date() for name in names}  # noqa: DTZ007


def partition_name(day: date) -> str:
    return f"hot_events_{day:%Y%m%d}"


def _make_partition(day: date) -> bool:
    """Make one partition. Returns False if it exists already, made by another process.

    The table is created by itself and then attached. ATTACH lets reads and writes of the other days
    continue; CREATE … PARTITION OF would block them.
    """
    name = partition_name(day)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('hot_events partitions'))")
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        if cursor.fetchone()[0]:
            return False
        cursor.execute(f"CREATE TABLE {name} (LIKE hot_events INCLUDING DEFAULTS)")
        cursor.execute(
            f"ALTER TABLE hot_events ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)",
            [f"{day} 00:00:00+00", f"{day + timedelta(days=1)} 00:00:00+00"],
        )
    return True
