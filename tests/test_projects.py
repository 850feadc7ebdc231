"""Projects live side by side: what is sent to one is seen in that one alone."""

import json
import random
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import permutations
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.test import Client

from events.ingest import property_schemas
from events.management.commands import rebuild_rollups, verify_stores
from events.models import Batch, Dedup, HotEvent, RejectedEvent
from events.tasks import store_events
from importer.models import Import
from importer.receiving import upload_jobs
from projects.keyring import keyring
from projects.models import DEFAULT
from tests.analytics.histories import ASKED_FOR
from tests.factories import PropertySchemaFactory
from tests.posting import post
from tests.projects.made_keys import bearer, secret
from tests.projects.made_projects import delete, project
from tests.samples import event, framed
from tests.stored import deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores", "rejected_kept")

DAYS = "from=2020-01-01&to=2030-01-01"
# Each has every project ask for what every other has, in another order.
ROUNDS = 10 if ASKED_FOR else 1


class Place(NamedTuple):
    """A project, a key of it, and the name that all of its events have and no others."""

    number: int
    slug: str
    key: dict[str, str]
    mark: str


@pytest.fixture
def places() -> Iterator[list[Place]]:
    with ExitStack() as stack:
        made = [stack.enter_context(project(f"app-{n}")) for n in range(2)]
        yield [
            Place(DEFAULT, "default", bearer(secret()), "mark-default"),
            *(
                Place(one.pk, str(one), bearer(secret(project=one)), f"mark-{one.slug}")
                for one in made
            ),
        ]


def fill(client: Client, place: Place, count: int = 3) -> None:
    """Events, a rejected event and an import, all with the project's mark."""
    sent = [event(user_id=place.mark, event_type=place.mark) for _ in range(count)]
    post(client, sent, "?wait=true", **place.key)
    post(client, [event(user_id="", event_type=place.mark)], **place.key)
    line = json.dumps(event(user_id=place.mark, event_type=place.mark)).encode()
    client.post(f"/imports?name={place.mark}", line, content_type="text/plain", headers=place.key)


def answers(client: Client, place: Place, query: str = "") -> Iterator[Any]:
    """What a key of the project is answered by every endpoint that tells something."""
    more = f"&{query}" if query else ""
    uploaded = Import.objects.get(path=f"mark-{query.partition('=')[2] or place.slug}")
    for path in (
        f"/events?limit=1000{more}",
        f"/stats/dau?{DAYS}{more}",
        f"/stats/top-events?{DAYS}{more}",
        f"/stats/retention?start_date=2020-01-01{more}",
        f"/imports/{uploaded.pk}?x{more}",
        f"/projects?{query}",
        f"/event-types?{DAYS}{more}",
        f"/properties?{DAYS}{more}",
        f"/properties/values?path=country&{DAYS}{more}",
        f"/users?limit=9{more}",
        f"/users/{place.mark}?{query}",
        f"/users/{place.mark}/events?limit=9{more}",
    ):
        yield client.get(path, headers=place.key)


def test_nothing_of_one_is_ever_seen_through_a_key_of_the_other(
    client: Client, places: list[Place], rejected_kept: None, settings: Any
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 0  # it asks hundreds of times
    for place in places:
        fill(client, place)
    upload_jobs.import_waiting()
    deliver_all()
    pairs = list(permutations(places, 2)) * ROUNDS
    random.shuffle(pairs)
    for mine, other in pairs:
        texts = [answer.content.decode() for answer in answers(client, mine)]
        assert all(mine.mark in text for text in (*texts[:7:2], *texts[-3:])), mine
        assert not any(other.mark in text for text in texts), (mine, other)
        assert json.loads(texts[2]) == [{"event_type": mine.mark, "count": 4}]
        for answer in answers(client, mine, f"project={other.slug}"):
            assert answer.status_code == 404, (mine, other)


def test_the_same_id_in_two_projects_is_two_events(client: Client, places: list[Place]) -> None:
    same = event()
    for place in places:
        for _ in range(2):
            answer = post(client, [same, same], "?wait=true", **place.key)
        assert answer.json()["duplicates"] == 2
    assert Dedup.objects.count() == HotEvent.objects.count() == len(places)
    deliver_all()
    for place in places:
        top = client.get(f"/stats/top-events?{DAYS}", headers=place.key)
        assert top.json() == [{"event_type": "page_view", "count": 1}]
    call_command("verify_stores")


def test_messages_of_several_projects_are_stored_together(places: list[Place]) -> None:
    messages = [
        [b64encode(framed([event(user_id=place.mark)])).decode(), place.number] for place in places
    ]
    store_events.run(messages)
    assert Batch.objects.count() == len(places)
    deliver_all()
    assert set(HotEvent.objects.values_list("project_id", "user_id")) == {
        (place.number, place.mark) for place in places
    }


@pytest.mark.parametrize("command", ["verify_stores", "rebuild_rollups"])
def test_a_project_that_is_deleted_while_a_command_is_at_it_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    module = {"verify_stores": verify_stores, "rebuild_rollups": rebuild_rollups}[command]
    name = {"verify_stores": "verify", "rebuild_rollups": "rebuild_rollups"}[command]
    work, seen = getattr(module, name), []

    def act(**given: Any) -> Any:
        seen.append(given["project"])
        if given["project"] == going.pk:
            delete(going)
        return work(**given)

    monkeypatch.setattr(module, name, act)
    with project("going") as going, project("staying") as staying:
        call_command(command)
        assert seen == [DEFAULT, going.pk, staying.pk]


@pytest.mark.parametrize("slug", ["", "none", "Default", "a" * 5000, "%00", "1", "app-0/", "*"])
def test_a_project_that_is_not_there_is_404(client: Client, slug: str) -> None:
    for path in ("/events", f"/stats/dau?{DAYS}", f"/imports/{uuid.uuid4()}", "/projects"):
        separator = "&" if "?" in path else "?"
        answer = client.get(f"{path}{separator}project={slug}")
        assert answer.status_code == 404, path
        assert answer["Content-Type"] == "application/problem+json"
    assert post(client, [event()], f"?project={slug}").status_code == 404
    assert client.post(f"/imports?project={slug}", b"x", "text/plain").status_code == 404


def test_a_project_that_is_named_twice_is_refused(client: Client) -> None:
    answer = client.get("/events?project=default&project=default")
    assert answer.status_code == 400
    assert "given more than once" in answer.json()["detail"]


def test_without_a_key_the_address_names_the_project(client: Client, places: list[Place]) -> None:
    one = places[1]
    post(client, [event(user_id=one.mark)], f"?project={one.slug}&wait=true")
    post(client, [event(user_id="mine")], "?wait=true")
    assert one.mark in client.get(f"/events?project={one.slug}").content.decode()
    assert one.mark not in client.get("/events").content.decode()
    listed = client.get("/projects").json()
    assert [row["slug"] for row in listed] == [place.slug for place in places]


def test_a_schema_of_one_project_judges_no_other(
    client: Client, places: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(property_schemas, "_KEPT_SECONDS", 0.0)
    one, other = places[1], places[2]
    PropertySchemaFactory.create(
        project_id=one.number, event_type="buy", schema={"required": ["amount"]}
    )
    wait_until(
        lambda: post(client, [event(event_type="buy")], "?wait=true", **one.key).status_code == 400
    )
    bought = post(client, [event(event_type="buy")], "?wait=true", **other.key)
    assert bought.json()["accepted"] == 1


def test_a_rejected_event_is_sent_again_to_its_own_project(
    client: Client, admin_client: Client, places: list[Place], rejected_kept: None
) -> None:
    one = places[1]
    post(client, [event(user_id="")], **one.key)
    wait_until(RejectedEvent.objects.exists)
    row = RejectedEvent.objects.get()
    mended = json.dumps(event(user_id=one.mark))
    admin_client.post(f"/admin/events/rejectedevent/{row.pk}/change/", {"raw": mended})
    assert HotEvent.objects.get().project_id == one.number


def test_the_same_file_is_imported_into_each_project_once(
    places: list[Place], tmp_path: Any, capsys: Any
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(event()))
    for place in places[:2]:
        for _ in range(2):
            call_command("import_events", str(file), "--project", place.slug)
    assert capsys.readouterr().out.count("skipped, imported before") == 2
    assert sorted(HotEvent.objects.values_list("project_id", flat=True)) == [
        place.number for place in places[:2]
    ]


def test_the_limit_of_a_project_is_for_all_its_clients_together(
    client: Client, places: list[Place]
) -> None:
    with project("small", rate_limit_per_minute=5) as small:
        keys = [bearer(secret(project=small)) for _ in range(2)]
        wait_until(lambda: keyring.limit_of(small.pk) == 5)
        asked = [
            client.get("/events", headers=keys[n % 2], REMOTE_ADDR=f"10.0.0.{n}") for n in range(6)
        ]
        assert [answer.status_code for answer in asked] == [200] * 5 + [429]
        assert asked[5].json()["detail"] == "More than 5 requests a minute to one project."
        assert asked[0]["RateLimit-Policy"] == '"default";q=5;w=60'
        # Without a key, the address names it. Others are not affected.
        assert client.get("/events?project=small").status_code == 429
        assert client.get("/events").status_code == 200
        assert client.get("/events", headers=places[1].key).status_code == 200


def test_a_key_with_its_own_limit_counts_for_its_project_too(client: Client) -> None:
    with project("small", rate_limit_per_minute=3) as small:
        key = bearer(secret(project=small, rate_limit_per_minute=100))
        wait_until(lambda: keyring.limit_of(small.pk) == 3)
        asked = [client.get("/events", headers=key).status_code for _ in range(4)]
        assert asked == [200] * 3 + [429]


def test_pages_for_readers_take_nothing_of_a_project_and_what_a_key_has(
    client: Client, settings: Any
) -> None:
    with project("small", rate_limit_per_minute=2) as small:
        key = bearer(secret(project=small, rate_limit_per_minute=3))
        wait_until(lambda: keyring.limit_of(small.pk) == 2)
        asked = [client.get("/openapi.json", headers=key).status_code for _ in range(4)]
        assert asked == [200] * 3 + [429]
        settings.API_KEYS_REQUIRED = True
        assert [client.get("/events?project=small").status_code for _ in range(3)] == [401] * 3
        other = bearer(secret(project=small))
        assert [client.get("/events", headers=other).status_code for _ in range(3)] == [
            *(200, 200, 429)
        ]
