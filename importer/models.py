"""The record of imports: one row a file."""

from django.db import models
from django.db.models.functions import Now


class Import(models.Model):
    """One file, and how far its import came.

    `key` is the sha256 of path, size and mtime: the same file is not read twice without `--force`.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    key = models.CharField(max_length=64, unique=True)
    path = models.TextField()
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    size = models.BigIntegerField(help_text="bytes")
    read = models.BigIntegerField(default=0, help_text="rows read")
    stored = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    bad = models.BigIntegerField(default=0, help_text="rows refused")
    error = models.TextField(blank=True, default="")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "imports"
        indexes = [models.Index(fields=["started_at"], name="imports_started_at")]

    def __str__(self) -> str:
        return self.path
