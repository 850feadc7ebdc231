"""The verification: whatever differs is named and mended, and nothing else is taken for it."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from analytics.maintenance import inventory as cold
from config.settings import BASE_DIR
from events.auditing import inventory, verify
from events.models import Batch, Dedup
from events.sql import load
from events.storing.store import store
from projects.models import DEFAULT
from tests.events.auditing.damage import (
    OLD,
    RECENT,
    TODAY,
    YESTERDAY,
    agreeing,
    assert_rollups_hold_the_events,
    content,
    delivered,
    differing,
    double_cold,
    double_hot,
    drop_cold,
    drop_hot,
    drop_known,
    lose_block,
    put,
)
from tests.samples import event, framed
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores", "by_hand")


def test_the_hash_is_the_same_in_both_engines() -> None:
    made = [uuid.uuid1() if n % 2 else uuid.uuid4() for n in range(1000)]
    events = [event(event_id=str(one).upper(), occurred_at=RECENT) for one in made]
    store(project=DEFAULT, frames=[framed(events)], source=Batch.Source.QUEUE)
    deliver_all()
    for mask in (0, 1, 255, 2**16 - 1):
        there = cold.digests(project=DEFAULT, start=YESTERDAY, end=YESTERDAY, mask=mask)
        assert inventory.hot_digests(project=DEFAULT, day=YESTERDAY, mask=mask) == there
        assert (
            inventory.known_digests(project=DEFAULT, before=inventory.clock(), mask=mask) == there
        )
        assert sum(digest.events for digest in there.values()) == 1000
        assert len(there) <= mask + 1


def test_stores_that_agree() -> None:
    assert "0 events in the hot layer, 0 ids in dedup, 0 in ClickHouse" in agreeing()
    delivered(5)
    delivered(3, occurred_at=OLD)
    said = agreeing("--repair")
    assert "5 events in the hot layer, 8 ids in dedup, 8 in ClickHouse; 0 wait" in said
    assert "verified again" not in said
    said = agreeing("--from=2025-01-05", "--to=2025-01-05")
    assert "0 events in the hot layer, 3 in ClickHouse" in said


BREAKS: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "deleted in ClickHouse": (drop_cold, "3 missing in ClickHouse"),
    "never arrived in ClickHouse": (lose_block, "3 missing in ClickHouse"),
    "deleted in hot": (drop_hot, "3 missing in the hot layer"),
    "deleted in dedup": (drop_known, "3 not in dedup"),
    "doubled in ClickHouse": (double_cold, "3 doubled in ClickHouse"),
    "doubled in hot": (double_hot, "3 doubled in the hot layer"),
}


DAYS = [f"--from={YESTERDAY}", f"--to={TODAY}"]
# Each break with and without days, in one list and in parts.
PAIRS = [
    (name, days, 4 if (number + bool(days)) % 2 else 200_000)
    for number, name in enumerate(BREAKS)
    for days in ([], DAYS)
]


@pytest.mark.parametrize(("name", "days", "listed"), PAIRS)
def test_what_differs_is_named_and_mended(
    name: str, days: list[str], listed: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(verify, "_LISTED", listed)
    monkeypatch.setattr(verify, "_BUCKET", 1)
    breaks, said = BREAKS[name]
    odd = {"a": {"b": [1, "\\ü\u2028"]}, "n": 1.5}
    ids = put(3, user_id='q"uo\\te', properties=odd)
    put(9)
    delivered(4, occurred_at=OLD)
    sound = content()
    breaks(ids)
    rolled = 1 if name == "deleted in ClickHouse" else 0
    shown = differing(3 + rolled, *days)
    assert f"{YESTERDAY}: {said} (" in shown
    assert sum(one in shown for one in ids) == 3
    assert content() != sound, "something was repaired unasked"
    repaired = agreeing("--repair", *days)
    assert "verified again:" in repaired
    assert content() == sound
    assert_rollups_hold_the_events()
    if days:
        agreeing()


def test_a_few_of_many_ids_are_shown() -> None:
    ids = delivered(40)
    drop_hot(ids)
    shown = differing(40)
    assert "40 missing in the hot layer" in shown
    assert sum(one in shown for one in ids) == 3


@pytest.mark.parametrize("days", [[], DAYS])
def test_of_many_ids_no_more_are_listed_at_once_than_memory_has_room_for(
    days: list[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(verify, "_LISTED", 40)
    monkeypatch.setattr(verify, "_BUCKET", 4)
    sizes: list[int] = []
    for module, name in ((cold, "listed"), (inventory, "hot_listed"), (inventory, "known_listed")):
        monkeypatch.setattr(module, name, _counted(getattr(module, name), sizes))
    drop_hot(delivered(240))
    differing(240, *days)
    assert max(sizes) <= 40
    # As many as there is room for, or each bucket would cost two queries.
    assert len(sizes) <= 48


def _counted(listing: Callable[..., Any], sizes: list[int]) -> Callable[..., Any]:
    def counted(**asked: Any) -> Any:
        found = listing(**asked)
        sizes.append(len(found))
        return found

    return counted


def test_what_nobody_has_any_more_can_be_sent_again() -> None:
    delivered(2)
    drop_cold(lost := delivered(3, occurred_at=OLD))
    shown = differing(4)
    assert "no day: 3 lost" in shown
    assert "2025-01-05: 1 event types miscounted in daily_events (page_view)" in shown
    shown = differing(1, "--repair")
    assert "3 removed from dedup" in shown
    assert "1 need manage.py rebuild_rollups" in shown
    assert Dedup.objects.count() == 2
    delivered(1, event_id=lost[0], occurred_at=OLD)
    assert Dedup.objects.count() == 3


def test_an_old_id_unknown_to_dedup_is_made_known() -> None:
    ids = delivered(3, occurred_at=OLD)
    drop_known(ids)
    assert "2025-01-05: 3 not in dedup" in differing(3)
    assert "2025-01-05: 3 not in dedup" in differing(3, "--from=2025-01-01", "--to=2025-01-31")
    agreeing("--from=2025-01-06", "--to=2025-01-31")
    agreeing("--repair")
    put(1, event_id=ids[0], occurred_at=OLD)
    assert not Batch.objects.filter(state="pending").exists(), "it was stored twice"


def test_an_event_under_two_days_is_named_and_left() -> None:
    [one] = delivered(1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE hot_events SET occurred_at = occurred_at - interval '1 day'")
    day = YESTERDAY - timedelta(days=1)
    assert f"{day}: 1 on another day in ClickHouse ({one})" in differing(1)
    assert "can't know which one is right" in differing(1, "--repair")


def test_several_things_wrong_with_a_day_are_one_line() -> None:
    drop_cold(delivered(2, event_type="a"))
    drop_hot(delivered(3))
    double_hot(delivered(1))
    [line] = [line for line in differing(7).splitlines() if line.startswith(f"{YESTERDAY}: ")]
    assert "2 missing in ClickHouse" in line
    assert "3 missing in the hot layer" in line
    agreeing("--repair")
    assert_rollups_hold_the_events()


def test_what_waits_in_the_outbox_is_not_missing(monkeypatch: Any) -> None:
    delivered(2)
    put(2)
    put(3)
    put(4, occurred_at=OLD)
    assert "9 wait in the outbox, 0 in failed batches" in agreeing()
    first, second, third = Batch.objects.filter(state="pending").order_by("id")
    Batch.objects.filter(id=third.pk).update(state=Batch.State.FAILED, error="refused")
    assert "5 wait in the outbox, 4 in failed batches" in agreeing("--repair")
    with connection.cursor() as cursor:
        merged: dict[str, Any] = {"ids": [first.pk, second.pk], "first": first.pk}
        cursor.execute(load("merge_batches"), merged)
    assert "5 wait in the outbox, 4 in failed batches" in agreeing()
    Batch.objects.filter(id=third.pk).update(state=Batch.State.PENDING)
    deliver_all()
    assert "0 wait in the outbox, 0 in failed batches" in agreeing()


def test_an_outbox_that_a_disk_has_spoilt_is_made_again_from_the_hot_layer() -> None:
    put(3)
    Batch.objects.update(payload=b"spoilt", state=Batch.State.FAILED)
    differing(3)
    agreeing("--repair")
    assert len(content()[0]) == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--from=2026-01-01"], "given together"),
        (["--to=2026-01-01"], "given together"),
        (["--from=2026-01-02", "--to=2026-01-01"], "--from is after --to"),
        (["--from=yesterday", "--to=2026-01-01"], "'yesterday' is not a date"),
    ],
)
def test_days_that_make_no_sense_are_refused(arguments: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("verify_stores", *arguments)


def test_days_before_all_events_are_days_without_events() -> None:
    assert "0 in ClickHouse" in agreeing("--from=0001-01-01", "--to=9999-12-31")
    for day in ("0001-01-01", "9999-12-31"):
        assert "0 in ClickHouse" in agreeing(f"--from={day}", f"--to={day}")


def test_a_clickhouse_that_is_down_is_named(settings: Any) -> None:
    delivered(1)
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    with pytest.raises(CommandError, match=r"^ClickHouse failed: "):
        call_command("verify_stores")
    assert Dedup.objects.count() == 1


@pytest.fixture(scope="module", autouse=True)
def without_postgresql() -> "Iterator[subprocess.Popen[str]]":
    """A verification that waits 5 s for PostgreSQL, while the other tests go on."""
    gone = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/events"}
    with subprocess.Popen(
        [sys.executable, "manage.py", "verify_stores"],
        cwd=BASE_DIR,
        env=gone,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def test_a_postgresql_that_is_down_is_named(without_postgresql: "subprocess.Popen[str]") -> None:
    _, said = without_postgresql.communicate(timeout=60)
    assert without_postgresql.returncode == 1
    assert "PostgreSQL at 127.0.0.1:1 can't be reached" in said.splitlines()[-1]
