"""The tables of projects, of their members and of their API keys."""

from datetime import UTC, datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from projects import numbers, scopes
from projects.scopes import Role

DEFAULT = numbers.DEFAULT


class Project(models.Model):
    """One app, or one stage of an app: its events, keys and reports are its own.

    The number (`id`) is part of the name of its ClickHouse database and stands in every table that
    holds something of a project. It is made of the time, so it is never used again, not even after
    PostgreSQL was restored from a backup (see `events.lifecycle.making`). The row of a deleted
    project stays, without a slug, to tell its number from an unknown one.
    """

    id = models.IntegerField(primary_key=True, editable=False)
    slug = models.CharField(
        max_length=40,
        unique=True,
        null=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9]+(-[a-z0-9]+)*\Z",
                "A slug has lower-case letters, digits and single hyphens between them.",
            )
        ],
        help_text="its name in requests and commands; lower-case letters, digits and hyphens",
        error_messages={"unique": "There is a project with this slug."},
    )
    name = models.CharField(max_length=100, help_text="its name for people")
    rate_limit_per_minute = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="requests a minute of all its clients together; unlimited if left out",
    )
    events_per_month = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="new events of a month, in the project's time zone; past them it answers 429; "
        "unlimited if left out",
    )
    history_days = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text="every night, whole months (of UTC) older than this are dropped for ever; "
        "nothing is dropped if left out",
    )
    history_from = models.DateField(
        null=True,
        editable=False,
        help_text="the first day of what is kept; earlier events are refused",
    )
    history_dropped = models.DateField(
        null=True,
        editable=False,
        help_text="events before this day were dropped",
    )
    history_stale = models.DateField(
        null=True,
        editable=False,
        help_text="rollups may hold dropped events of days before it, until they are made anew",
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        db_default="UTC",
        help_text="whose days its reports have, unless a request names another",
    )
    rollup_zone = models.CharField(
        max_length=64,
        null=True,
        default="UTC",
        db_default="UTC",
        editable=False,
        help_text="whose days its rollups hold; null while they are made anew, and nobody may read",
    )
    rollup_tzdata = models.CharField(
        max_length=100,
        default="",
        db_default="",
        editable=False,
        help_text="versions of the time zone database when they were made",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(
        null=True, editable=False, help_text="since then it is being deleted and answers nobody"
    )

    class Meta:
        db_table = "projects"
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(id=DEFAULT) | models.Q(deleted_at=None),
                name="projects_default_stays",
            )
        ]

    def __str__(self) -> str:
        return self.slug or f"deleted project {self.pk}"


class Membership(models.Model):
    """What a person may do in a project: see `projects.scopes`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, limit_choices_to={"deleted_at": None}
    )
    role = models.CharField(max_length=16, choices=Role)

    class Meta:
        db_table = "memberships"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "project"],
                name="memberships_one",
                violation_error_message="This person is already a member of the project.",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="memberships_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.project}"


class ApiKey(models.Model):
    """A key of a project, made by `projects.keys`. Its secret is not stored."""

    class Scope(models.TextChoices):
        INGEST = scopes.INGEST, "ingest: send events and files"
        READ = scopes.READ, "read: look at events and reports"

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, default=DEFAULT, help_text="what the key is for"
    )
    name = models.CharField(max_length=100, help_text="who or what uses the key")
    prefix = models.CharField(
        max_length=16, editable=False, help_text="first characters of the secret"
    )
    digest = models.BinaryField(max_length=32, unique=True, help_text="SHA-256 of the secret")
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope))
    rate_limit_per_minute = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="requests a minute; if empty, the limit of the client's address applies",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="in UTC; if empty, the key never expires"
    )
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="exact to the minute")

    class Meta:
        db_table = "api_keys"
        verbose_name = "API key"
        constraints = [
            # A form for a new key that is sent twice makes no second key.
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=models.Q(revoked_at=None),
                name="api_keys_name",
                violation_error_message="A key that is not revoked has this name; revoke it first.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def state(self) -> str:
        if self.revoked_at:
            return "revoked"
        is_expired = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return "expired" if is_expired else "active"
