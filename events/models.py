"""The tables of PostgreSQL: dedup, the hot layer, batches with their outbox, and schemas."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Func
from django.db.models.functions import Now

from events.schemas import engine
from events.schemas.references import SchemaRefused
from projects.models import DEFAULT, Project


class UUIDv7(Func):
    """PostgreSQL's `uuidv7()`: a UUID that sorts by the time it was made."""

    function = "uuidv7"
    output_field = models.UUIDField()


class Dedup(models.Model):
    """One row for each event ever stored, so that no event is stored twice in its project.

    Each project has a table of its own, which inherits from this empty one (see
    `events.storing.dedup`). A query of this model reads the ids of all projects.
    """

    event_id = models.UUIDField(primary_key=True, editable=False)
    first_seen = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False
        db_table = "dedup"

    def __str__(self) -> str:
        return str(self.event_id)


class JSONText(models.TextField):  # type: ignore[type-arg]
    """Well-formed JSON, stored and returned as exactly the text that was sent.

    jsonb would write 1e300 in 301 digits, refuse 1e-20000 and forget the order of keys.
    """

    def db_type(self, connection: Any) -> str:
        return "json"

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        # Without the cast, psycopg would parse the JSON.
        return f"{sql}::text", params


class HotEvent(models.Model):
    """An event of the hot window; `properties` is the same text as in ClickHouse.

    The table is partitioned by day of `occurred_at` (DDL in the first migration), so PostgreSQL
    itself has no primary key here: `dedup` has already made `event_id` unique in its project.
    """

    project_id = models.IntegerField(default=DEFAULT)
    event_id = models.UUIDField(primary_key=True, editable=False)
    occurred_at = models.DateTimeField()
    user_id = models.TextField()
    event_type = models.TextField()
    properties = JSONText()

    class Meta:
        managed = False
        db_table = "hot_events"
        ordering = ["-occurred_at", "-event_id"]

    def __str__(self) -> str:
        return f"{self.event_type} by {self.user_id}"


class Batch(models.Model):
    """The new events of one store transaction, and the state of their delivery.

    `payload` is the outbox: zstd frames of JSON lines (see `events.format.records`). It is emptied
    when ClickHouse has confirmed them. Small batches are merged into one delivery: the first batch
    takes over the frames of the others, and their `merged_into` names the first batch. A batch that
    ClickHouse refuses is split into parts until the bad event is alone. The `split_from` of each
    part names the batch that was split first.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        MERGED = "merged"
        DELIVERED = "delivered"
        SPLIT = "split"
        FAILED = "failed", "failed: refused by ClickHouse"
        # Content from the queue that could not be stored; `payload` holds it.
        UNSTORED = "unstored", "failed: refused by PostgreSQL"
        DISCARDED = "discarded"

    class Source(models.TextChoices):
        QUEUE = "queue"
        REQUEST = "request"
        IMPORT = "import"

    # Sorts by time. The id is ClickHouse's deduplication token, so it must not repeat. A sequence
    # would repeat ids after a backup is restored.
    id = models.UUIDField(primary_key=True, editable=False, db_default=UUIDv7())
    # None only in state UNSTORED: a message from the queue may name no project.
    # No constraint in the database: its check would lock one row for all stores of a project.
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, null=True, db_index=False, db_constraint=False
    )
    source = models.CharField(max_length=16, choices=Source)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    received = models.IntegerField(help_text="events that reached the store, with repeated ones")
    stored = models.IntegerField(help_text="events not seen before")
    duplicates = models.IntegerField(help_text="events seen before")
    payload = models.BinaryField(null=True, editable=False)
    payload_bytes = models.IntegerField(help_text="size of this batch's frames")
    decoded_bytes = models.BigIntegerField(default=0, help_text="size of the lines in the frames")
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="merged"
    )
    split_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="parts"
    )
    created_at = models.DateTimeField(db_default=Now())
    attempts = models.IntegerField(default=0)
    claimed_until = models.DateTimeField(
        null=True, help_text="no other process delivers the batch before this time"
    )
    error = models.TextField(blank=True, default="")
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "batches"
        verbose_name_plural = "batches"
        indexes = [
            models.Index(
                fields=["id"], name="batches_pending", condition=models.Q(state="pending")
            ),
            models.Index(
                fields=["project", "id"],
                name="batches_pending_of",
                condition=models.Q(state="pending"),
            ),
            models.Index(fields=["project", "id"], name="batches_project"),
            models.Index(fields=["created_at"], name="batches_created_at"),
            models.Index(
                fields=["id"],
                name="batches_failed",
                condition=models.Q(state__in=["failed", "unstored"]),
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class RejectedEvent(models.Model):
    """A refused event, or a whole refused body, with the reason; kept for a while."""

    # Rows are written later than the request is answered; the project may be gone by then.
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, default=DEFAULT, db_constraint=False
    )
    rejected_at = models.DateTimeField(db_default=Now())
    client = models.TextField(help_text="address of the client")
    position = models.IntegerField(
        null=True, help_text="position in the request, from 0; empty for a whole body"
    )
    event_id = models.TextField(help_text="as it was sent")
    field = models.TextField()
    code = models.TextField()
    message = models.TextField()
    raw = models.TextField(help_text="as it was sent")
    raw_bytes = models.IntegerField(
        help_text="size of what was sent; `raw` may have only its beginning"
    )

    class Meta:
        db_table = "rejected_events"
        indexes = [models.Index(fields=["rejected_at"], name="rejected_events_at")]

    def __str__(self) -> str:
        return f"rejected event {self.pk}"


def _check_json_schema(value: Any) -> None:
    try:
        engine.judge(value)
    except SchemaRefused as error:
        raise ValidationError(f"This schema can't be used: {error}.") from None


class SchemaField(models.JSONField):
    """For Django, {} is as good as nothing. It is the schema that everything satisfies."""

    empty_values = [None, ""]

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


class PropertySchema(models.Model):
    """A JSON Schema (draft 2020-12) that the properties of an event type must satisfy.

    A row saved without `full_clean` may hold a schema that can't be used: see `property_schemas`.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, default=DEFAULT)
    event_type = models.CharField(max_length=200)
    schema = SchemaField(
        validators=[_check_json_schema],
        help_text="JSON Schema, draft 2020-12. A $ref may lead only to a place in this schema. "
        "`format` is not checked. Patterns can't have look-around or back-references.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        db_table = "property_schemas"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "event_type"],
                name="property_schemas_event_type",
                violation_error_message="The project has a schema of this event type.",
            )
        ]

    def __str__(self) -> str:
        return self.event_type
