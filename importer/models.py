"""The record of imports: one row per file."""

from uuid import uuid4

from django.db import models
from django.db.models.functions import Now

from projects.models import DEFAULT, Project


class Import(models.Model):
    """One file and the progress of its import.

    `key` is the sha256 of project, path, size and mtime, so the same file is not read twice without
    `--force`; the key of an upload is random. The counts change in the transaction that stores the
    events, so a killed import continues after `read` rows.
    """

    class State(models.TextChoices):
        # Only for uploads: being received, and waiting for its turn.
        RECEIVING = "receiving"
        WAITING = "waiting"
        RUNNING = "running"
        STOPPED = "stopped"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, default=DEFAULT)
    key = models.CharField(max_length=64, unique=True)
    path = models.TextField(help_text="of the file; for an upload, its name")
    upload = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    options = models.JSONField(default=dict, blank=True, help_text="how the file is read")
    size = models.BigIntegerField(default=0, help_text="bytes; 0 if it is not known")
    position = models.BigIntegerField(default=0, help_text="bytes read")
    read = models.BigIntegerField(default=0, help_text="rows read")
    stored = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    bad = models.BigIntegerField(default=0, help_text="rows refused")
    rejected_path = models.TextField(blank=True, default="", help_text="the file of refused rows")
    rejected_bytes = models.BigIntegerField(default=0)
    attempts = models.IntegerField(default=0, help_text="runs that ended before a batch was stored")
    turns = models.IntegerField(default=0, help_text="runs that gave way to other uploads")
    error = models.TextField(blank=True, default="")
    # Uploads only: recognizes a repeated request, by draft-ietf-httpapi-idempotency-key.
    idempotency_key = models.CharField(max_length=255, null=True)
    receiver = models.UUIDField(null=True, help_text="the request that receives the file")
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(db_default=Now(), help_text="start of the last run")
    updated_at = models.DateTimeField(auto_now=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "imports"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "idempotency_key"], name="imports_idempotency_key"
            )
        ]
        indexes = [
            models.Index(fields=["started_at"], name="imports_started_at"),
            models.Index(
                fields=["turns", "created_at"],
                name="imports_waiting",
                condition=models.Q(upload=True, state__in=["waiting", "running", "stopped"]),
            ),
        ]

    def __str__(self) -> str:
        return self.path
