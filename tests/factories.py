"""Rows of PostgreSQL's tables, valid unless a test says otherwise."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from factory.declarations import LazyFunction, Sequence, Trait
from factory.django import DjangoModelFactory

from analytics.models import SavedSegment
from events.models import Batch, HotEvent, PropertySchema
from importer.models import Import
from projects.models import DEFAULT


def _an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


class AdminFactory(DjangoModelFactory[User]):
    """A superuser without a password, to be logged in by `Client.force_login`."""

    class Meta:
        model = User

    username = Sequence(lambda n: f"admin_{n}")
    is_staff = True
    is_superuser = True


class HotEventFactory(DjangoModelFactory[HotEvent]):
    class Meta:
        model = HotEvent

    event_id = LazyFunction(uuid.uuid4)
    occurred_at = LazyFunction(_an_hour_ago)
    user_id = Sequence(lambda n: f"user_{n}")
    event_type = "page_view"
    properties = '{"country":"UA"}'


class BatchFactory(DjangoModelFactory[Batch]):
    """A batch that ClickHouse has confirmed; with `pending=True` one that waits in the outbox."""

    class Meta:
        model = Batch

    class Params:
        pending = Trait(
            state=Batch.State.PENDING, payload=b"frames", payload_bytes=6, delivered_at=None
        )

    project_id = DEFAULT
    source = Batch.Source.QUEUE
    state = Batch.State.DELIVERED
    received = 10
    stored = 8
    duplicates = 2
    payload: Any = None
    payload_bytes = 2048
    delivered_at = LazyFunction(lambda: datetime.now(UTC))


class ImportFactory(DjangoModelFactory[Import]):
    """An import that came to its end."""

    class Meta:
        model = Import

    key = Sequence(lambda n: f"{n:064x}")
    path = Sequence(lambda n: f"/data/events-{n}.csv")
    state = Import.State.DONE
    size = 5_000_000
    read = 50_000
    stored = 49_000
    duplicates = 900
    bad = 100
    finished_at = LazyFunction(lambda: datetime.now(UTC))


class PropertySchemaFactory(DjangoModelFactory[PropertySchema]):
    class Meta:
        model = PropertySchema

    event_type = Sequence(lambda n: f"type_{n}")
    schema = LazyFunction(lambda: {"type": "object"})


class SavedSegmentFactory(DjangoModelFactory[SavedSegment]):
    class Meta:
        model = SavedSegment

    name = Sequence(lambda n: f"segment {n}")
    text = "segment=event_type:purchase"
