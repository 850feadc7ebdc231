"""The admin pages of hot events, batches and property schemas."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from config.admin.dates import Period, parts, periods
from events.models import PropertySchema
from events.storing import hot
from tests.factories import BatchFactory, HotEventFactory, PropertySchemaFactory
from tests.pages import page

pytestmark = pytest.mark.django_db

EVENTS, BATCHES = "/admin/events/hotevent/", "/admin/events/batch/"
SCHEMAS = "/admin/events/propertyschema/"


@pytest.fixture(autouse=True, scope="module")
def _partitions(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Made once and kept, where a test's own transaction would roll them back."""
    with django_db_blocker.unblock():
        hot.ensure_partitions(now=datetime.now(UTC))


def listed(html: str) -> list[str]:
    """The keys of the rows, from top to bottom."""
    return re.findall(r'<th class="field-\w+"><a href="/admin/[^"]*?/([^/"]+)/change/', html)


def statements(client: Client, url: str, **parameters: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        page(client, url, **parameters)
    return [query["sql"] for query in queries.captured_queries]


def test_only_staff_sees_the_pages(client: Client) -> None:
    for url in (EVENTS, BATCHES, SCHEMAS):
        assert client.get(url).headers["Location"].startswith("/admin/login/")


def test_events_are_listed_newest_first(admin_client: Client) -> None:
    now = datetime.now(UTC)
    made = [HotEventFactory.create(occurred_at=now - timedelta(hours=n)) for n in (5, 1, 30)]
    newest_first = sorted(made, key=lambda event: event.occurred_at, reverse=True)
    html = page(admin_client, EVENTS)
    assert listed(html) == [str(event.event_id) for event in newest_first]
    assert f"{newest_first[0].occurred_at:%Y-%m-%d %H:%M:%S}" in html
    assert "3 hot events" in html


def test_a_user_and_an_event_are_found_by_their_whole_id(admin_client: Client) -> None:
    mine, other = HotEventFactory.create(user_id="me"), HotEventFactory.create(user_id="me too")
    assert listed(page(admin_client, EVENTS, q="me")) == [str(mine.event_id)]
    assert listed(page(admin_client, EVENTS, q=f" {other.event_id} ")) == [str(other.event_id)]
    assert listed(page(admin_client, EVENTS, q=other.event_id.hex)) == [str(other.event_id)]
    assert listed(page(admin_client, EVENTS, q="m")) == []


def test_a_user_whose_id_is_a_uuid_is_found(admin_client: Client) -> None:
    user_id = str(uuid.uuid4()).upper()
    event = HotEventFactory.create(user_id=user_id)
    assert listed(page(admin_client, EVENTS, q=user_id)) == [str(event.event_id)]


def test_events_are_filtered_by_their_type(admin_client: Client) -> None:
    types = ("view", "buy", "a & b")
    made = {name: str(HotEventFactory.create(event_type=name).event_id) for name in types}
    html = page(admin_client, EVENTS)
    assert re.findall(r"\?event_type=([^\"]+)", html) == ["a+%26+b", "buy", "view"]
    for name, event_id in made.items():
        assert listed(page(admin_client, EVENTS, event_type=name)) == [event_id]


def test_events_are_drilled_down_to_by_day_and_hour(admin_client: Client) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=30) - timedelta(days=2)
    moments = [noon, noon - timedelta(hours=1), noon - timedelta(days=1)]
    late, early, before = (str(HotEventFactory.create(occurred_at=at).event_id) for at in moments)
    day = f"{noon:%Y-%m-%d}"
    assert listed(page(admin_client, EVENTS, occurred_at=day)) == [late, early]
    assert f"?occurred_at={day}+12%3A00" in page(admin_client, EVENTS, occurred_at=day)
    assert listed(page(admin_client, EVENTS, occurred_at=f"{day} 12:00")) == [late]
    assert listed(page(admin_client, EVENTS, occurred_at=f"{noon:%Y}", q="nobody")) == []
    whole = {*listed(page(admin_client, EVENTS, occurred_at=f"{noon:%Y}"))}
    assert whole - {before} == {late, early}


def test_a_date_that_is_none_leads_back_to_the_list(admin_client: Client) -> None:
    for text in ("2026-02-30", "yesterday", "9999", "9999-12-31 23:00", "0999", "' --"):
        answer = admin_client.get(EVENTS, {"occurred_at": text})
        assert answer.headers["Location"] == f"{EVENTS}?e=1"


def test_an_event_is_shown_in_full_and_cannot_be_changed(admin_client: Client) -> None:
    properties = {"page": {"title": "<b>Новини</b>"}}
    event = HotEventFactory.create(properties=json.dumps(properties))
    url = f"{EVENTS}{event.event_id}/change/"
    html = page(admin_client, url)
    assert json.dumps(properties, indent=2, ensure_ascii=False) in html
    assert 'name="_save"' not in html
    assert admin_client.post(url, {"user_id": "other"}).status_code == 403
    assert admin_client.post(f"{EVENTS}{event.event_id}/delete/").status_code == 403
    assert admin_client.get(f"{EVENTS}add/").status_code == 403


def test_an_event_that_is_gone_is_said_to_be(admin_client: Client) -> None:
    answer = admin_client.get(f"{EVENTS}{uuid.uuid4()}/change/", follow=True)
    assert "Perhaps it was deleted?" in answer.content.decode()


def test_a_long_list_counts_to_a_bound_and_ends_there(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.admin.tables.COUNTED_ROWS", 200)
    HotEventFactory.create_batch(201)
    html = page(admin_client, EVENTS)
    assert "200+ hot events" in html
    assert len(listed(html)) == 100
    assert len(listed(page(admin_client, EVENTS, p="2"))) == 100
    assert admin_client.get(EVENTS, {"p": "3"}).headers["Location"] == f"{EVENTS}?e=1"


def test_no_list_of_events_reads_a_whole_table(admin_client: Client) -> None:
    HotEventFactory.create_batch(101)
    day = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d}"
    sent = statements(admin_client, EVENTS)
    sent += statements(admin_client, EVENTS, event_type="page_view", occurred_at=day)
    for sql in sent:
        assert "LIMIT" in sql or "hot_events" not in sql or "MIN(" in sql
        assert '"properties"' not in sql


def test_batches_are_listed_newest_first_without_their_payload(admin_client: Client) -> None:
    made = [BatchFactory.create(pending=True) for _ in range(3)]
    html = page(admin_client, BATCHES)
    assert listed(html) == [str(batch.pk) for batch in reversed(made)]
    assert not [sql for sql in statements(admin_client, BATCHES) if '"payload"' in sql]


def test_a_batch_shows_its_size_for_people_and_its_error(admin_client: Client) -> None:
    batch = BatchFactory.create(payload_bytes=3 * 1024 * 1024, error="Code: 252. Too many parts")
    html = page(admin_client, f"{BATCHES}{batch.pk}/change/")
    assert "3.0\xa0MB" in html
    assert "Too many parts" in html
    assert admin_client.post(f"{BATCHES}{batch.pk}/change/", {"stored": 1}).status_code == 403


def test_a_merged_batch_links_to_the_one_that_took_it_along(admin_client: Client) -> None:
    first = BatchFactory.create()
    merged = BatchFactory.create(state="merged", merged_into=first)
    link = f'<a href="{BATCHES}{first.pk}/change/">{first.pk}</a>'
    assert f"\u2026{str(merged.pk)[-8:]}</a>" in page(admin_client, BATCHES)
    assert link in page(admin_client, f"{BATCHES}{merged.pk}/change/")


@pytest.mark.parametrize(
    "parameters",
    [
        {"state__exact": "pending"},
        {"source__exact": "import"},
        {"created_at": f"{datetime.now(UTC):%Y}", "source__exact": "import"},
    ],
)
def test_batches_are_filtered(admin_client: Client, parameters: dict[str, str]) -> None:
    BatchFactory.create()
    wanted = BatchFactory.create(pending=True, source="import")
    assert listed(page(admin_client, BATCHES, **parameters)) == [str(wanted.pk)]


def test_a_batch_is_found_by_its_id(admin_client: Client) -> None:
    _, wanted = BatchFactory.create(), BatchFactory.create()
    assert listed(page(admin_client, BATCHES, q=str(wanted.pk))) == [str(wanted.pk)]
    assert listed(page(admin_client, BATCHES, q="something else")) == []


def test_a_property_schema_is_made_in_the_admin(admin_client: Client) -> None:
    form = {
        "project": "1",
        "event_type": "purchase",
        "schema": '{"required": ["amount"]}',
        "enabled": "on",
    }
    assert admin_client.post(f"{SCHEMAS}add/", form).status_code == 302
    assert PropertySchema.objects.get().schema == {"required": ["amount"]}


def test_the_schema_that_everything_satisfies_can_be_saved(admin_client: Client) -> None:
    form = {"project": "1", "event_type": "purchase", "schema": "{}", "enabled": "on"}
    assert admin_client.post(f"{SCHEMAS}add/", form).status_code == 302
    assert PropertySchema.objects.get().schema == {}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("[]", "not a JSON Schema"),
        ('{"type": "objekt"}', 'not a JSON Schema: $.type: "objekt" is not valid'),
        ('{"$ref": "http://127.0.0.1/x"}', "leads out of the schema; the service reads no other"),
        ('{"$ref": "file:///etc/hostname"}', "leads out of the schema; the service reads no other"),
        ('{"$ref": "#/$defs/missing"}', "leads to nothing in the schema"),
        ('{"$ref": "#"}', "the check would never end"),
        ('{"pattern": "(?=a)b"}', "look-around such as (?=x)"),
        ('{"minimum": NaN}', "NaN"),
        ('{"const": "\\u0000"}', "NUL"),
        ("{", "Enter a valid JSON."),
        ("[" * 5_000, "Enter a valid JSON."),
        ("[" * 5_000 + "]" * 5_000, "Enter a valid JSON."),
        ("9" * 5_000, "Enter a valid JSON."),
        ("", "This field is required."),
    ],
)
def test_a_wrong_property_schema_is_refused_with_the_reason(
    admin_client: Client, schema: str, message: str
) -> None:
    form = {"project": "1", "event_type": "purchase", "schema": schema, "enabled": "on"}
    answer = admin_client.post(f"{SCHEMAS}add/", form)
    assert message in unescape(answer.content.decode())
    assert not PropertySchema.objects.exists()


def test_the_list_of_property_schemas_names_those_that_cant_be_used(admin_client: Client) -> None:
    PropertySchemaFactory.create(event_type="purchase")
    PropertySchemaFactory.create(event_type="broken", schema={"$ref": "#/$defs/missing"})
    shown = unescape(admin_client.get(SCHEMAS).content.decode())
    assert shown.count("can be used") == 1
    assert "requests with such events get 503: $ref '#/$defs/missing' leads" in shown


def test_an_event_type_has_one_schema(admin_client: Client) -> None:
    PropertySchemaFactory.create(event_type="purchase")
    answer = admin_client.post(
        f"{SCHEMAS}add/", {"project": "1", "event_type": "purchase", "schema": "{}"}
    )
    assert "The project has a schema of this event type." in answer.content.decode()


def test_periods_run_over_the_ends_of_months_and_years() -> None:
    first, last = datetime(2025, 11, 30, 23, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    months = ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert [period.label for period in periods(first, last, 1)] == months
    assert [period.label for period in parts(first, last)] == ["2025", "2026"]
    assert len([*periods(first, last, 2)]) == 64
    assert [period.label for period in parts(last, last)] == ["2026-02-01 00:00"]


@pytest.mark.parametrize(
    ("label", "end"),
    [
        ("2024", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2024-12", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2024-02", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-12-31 23:00", datetime(2025, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_period_is_read_from_its_label(label: str, end: datetime) -> None:
    period = Period.parse(label)
    assert (period.label, period.end) == (label, end)
