"""The count of the fault suite notices each kind of damage, here done by hand in real stores."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.db import connection

from analytics.clickhouse import database
from events.models import Batch
from events.storing.store import store
from tests import clickhouse as engine
from tests.environment import of_the_stores
from tests.faults import suite
from tests.faults.audit import Audit
from tests.faults.clients import event
from tests.faults.places import NEVER, Place, Places
from tests.projects.made_projects import drop_spares, new, project
from tests.samples import framed
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores", "no_delivery")

KATHMANDU = "Asia/Kathmandu"
# Numbers of events that only one project had, and those that both had.
FIRST, BOTH, SECOND = range(30), range(30, 60), range(60, 90)


def send(places: Places, place: Place, numbers: range) -> None:
    places.send(place, numbers)
    events = [event(number, 1, place.slug) for number in numbers]
    store(project=place.number, frames=[framed(events)], source=Batch.Source.QUEUE)
    places.promise(place, numbers)


@pytest.fixture
def places() -> Iterator[Places]:
    """The default project and another, with events at rest."""
    with ExitStack() as stack:
        made = stack.enter_context(project("app-1", time_zone=KATHMANDU))
        drop_spares()
        first, second = Place(), Place("app-1", made.pk, KATHMANDU)
        places = Places([first, second], [])
        places.claim(SECOND.stop)
        for place, numbers in ((first, FIRST), (first, BOTH), (second, BOTH), (second, SECOND)):
            send(places, place, numbers)
        deliver_all()
        yield places


def count(places: Places) -> Audit:
    stores = of_the_stores()
    return suite.count_in(places, stores["CLICKHOUSE_URL"], stores["DATABASE_URL"])


def noticed(places: Places) -> dict[str, int]:
    """What is not 0 and should be."""
    return {name: value for name, value in list(count(places)._asdict().items())[2:] if value}


def run(sql: str) -> None:
    """A statement for PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


def id_of(number: int) -> str:
    return str(event(number, 1, "")["event_id"])


def recent(numbers: range) -> str:
    """The id of an event in the hot window."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id FROM hot_events WHERE event_id = ANY(%s::uuid[])"
            " AND occurred_at > now() - interval '4 days' LIMIT 1",
            [[id_of(number) for number in numbers]],
        )
        return str(cursor.fetchone()[0])


def copy_cold(event_id: str, *, source: Place, target: Place) -> None:
    columns = "event_id, occurred_at, user_id, event_type, properties_text"
    engine.command(
        f"INSERT INTO events ({columns}) SELECT {columns}"
        f" FROM {database(project=source.number)}.events WHERE event_id = '{event_id}'",
        project=target.number,
    )


def test_what_each_project_was_promised_is_clean(places: Places) -> None:
    found = count(places)
    assert found.clean, found
    assert found.cold == 120
    assert 0 < found.hot < 120


def test_an_event_in_the_database_of_a_project_that_was_never_sent_it_is_noticed(
    places: Places,
) -> None:
    first, second = places.stay
    copy_cold(id_of(0), source=first, target=second)
    found = noticed(places)
    assert found["misplaced"] == 1
    assert found["not_known"] == 1


def test_an_event_of_both_projects_in_the_database_of_the_wrong_one_is_noticed(
    places: Places,
) -> None:
    """Its id belongs there, its properties do not."""
    first, second = places.stay
    engine.command(
        f"DELETE FROM events WHERE event_id = '{id_of(BOTH.start)}'", project=second.number
    )
    copy_cold(id_of(BOTH.start), source=first, target=second)
    found = noticed(places)
    assert found["misplaced"] == 1
    assert "lost" not in found


def test_an_event_that_nobody_sent_is_noticed(places: Places) -> None:
    first, _ = places.stay
    send(Places([], []), Place(), range(90, 91))
    deliver_all()
    assert noticed(places)["misplaced"] >= 2  # in ClickHouse and among the ids
    first.states[0] = NEVER
    assert noticed(places)["misplaced"] >= 4


def test_an_event_in_the_hot_layer_of_the_wrong_project_is_noticed(places: Places) -> None:
    _, second = places.stay
    run(f"UPDATE hot_events SET project_id = {second.number} WHERE event_id = '{recent(FIRST)}'")
    # It is missing in the one and too much in the other.
    assert noticed(places) == {"misplaced": 1, "not_hot": 2}


def test_an_id_in_the_table_of_the_wrong_project_is_noticed(places: Places) -> None:
    _, second = places.stay
    run(f"INSERT INTO dedup_{second.number} (event_id) VALUES ('{id_of(0)}')")
    assert noticed(places) == {"misplaced": 1, "not_known": 1}


def test_an_id_that_is_missing_is_noticed(places: Places) -> None:
    run(f"DELETE FROM dedup_{places.stay[1].number} WHERE event_id = '{id_of(BOTH.start)}'")
    assert noticed(places) == {"not_known": 1}


def test_an_event_twice_in_its_database_is_noticed(places: Places) -> None:
    _, second = places.stay
    copy_cold(id_of(SECOND.start), source=second, target=second)
    found = noticed(places)
    assert found.pop("rollup_differences", 0) == 0
    assert found == {"doubled_cold": 1}


def test_an_event_twice_in_the_hot_layer_is_noticed(places: Places) -> None:
    run(f"INSERT INTO hot_events SELECT * FROM hot_events WHERE event_id = '{recent(SECOND)}'")
    assert noticed(places) == {"doubled_hot": 1}


def test_an_event_that_is_missing_in_one_of_its_projects_is_noticed(places: Places) -> None:
    _, second = places.stay
    engine.command(f"DELETE FROM events WHERE event_id = '{recent(BOTH)}'", project=second.number)
    found = noticed(places)
    assert found.pop("rollup_differences") > 0
    assert found == {"lost": 1, "not_hot": 1, "not_known": 1}


def test_an_event_that_differs_between_the_layers_is_noticed(places: Places) -> None:
    run(
        "UPDATE hot_events SET properties = replace(properties::text, '\"copy\":1', '\"copy\":2')"
        f"::json WHERE project_id = {places.stay[1].number} AND event_id = '{recent(BOTH)}'"
    )
    assert noticed(places) == {"unlike": 1}


def test_rollups_in_days_of_another_zone_are_noticed(places: Places) -> None:
    places.stay[1].zone = "UTC"
    [(name, rows)] = noticed(places).items()
    assert (name, rows > 10) == ("rollup_differences", True)


def test_what_is_left_of_a_deleted_project_is_noticed(places: Places) -> None:
    with new("left") as left:
        assert noticed(places) == {"leftovers": 2}  # a database and a table of ids
        send(places, Place("left", left.pk), range(90, 120))
        # Those in the window too, and their batch.
        assert noticed(places)["leftovers"] > 3


def test_a_batch_that_was_set_aside_is_noticed(places: Places) -> None:
    run("UPDATE batches SET state = 'failed' WHERE id = (SELECT id FROM batches LIMIT 1)")
    assert noticed(places) == {"leftovers": 1}
