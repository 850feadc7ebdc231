import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.IntegerField(editable=False, primary_key=True, serialize=False)),
                (
                    "slug",
                    models.CharField(
                        error_messages={"unique": "There is a project with this slug."},
                        help_text="its name in requests and commands; lower-case letters, digits and hyphens",
                        max_length=40,
                        null=True,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9]+(-[a-z0-9]+)*\\Z",
                                "A slug has lower-case letters, digits and single hyphens between them.",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(help_text="its name for people", max_length=100)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "rate_limit_per_minute",
                    models.IntegerField(
                        blank=True,
                        help_text="requests a minute of all its clients together; unlimited if left out",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "events_per_month",
                    models.BigIntegerField(
                        blank=True,
                        help_text="new events of a month, in the project's time zone; past them it answers 429; unlimited if left out",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "history_days",
                    models.IntegerField(
                        blank=True,
                        help_text="every night, whole months (of UTC) older than this are dropped for ever; nothing is dropped if left out",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(36500),
                        ],
                    ),
                ),
                (
                    "history_from",
                    models.DateField(
                        editable=False,
                        help_text="the first day of what is kept; earlier events are refused",
                        null=True,
                    ),
                ),
                (
                    "history_dropped",
                    models.DateField(
                        editable=False,
                        help_text="events before this day were dropped",
                        null=True,
                    ),
                ),
                (
                    "history_stale",
                    models.DateField(
                        editable=False,
                        help_text="rollups may hold dropped events of days before it, until they are made anew",
                        null=True,
                    ),
                ),
                (
                    "time_zone",
                    models.CharField(
                        db_default="UTC",
                        default="UTC",
                        help_text="whose days its reports have, unless a request names another",
                        max_length=64,
                    ),
                ),
                (
                    "rollup_zone",
                    models.CharField(
                        db_default="UTC",
                        default="UTC",
                        editable=False,
                        help_text="whose days its rollups hold; null while they are made anew, and nobody may read",
                        max_length=64,
                        null=True,
                    ),
                ),
                (
                    "rollup_tzdata",
                    models.CharField(
                        db_default="",
                        default="",
                        editable=False,
                        help_text="versions of the time zone database when they were made",
                        max_length=100,
                    ),
                ),
                (
                    "deleted_at",
                    models.DateTimeField(
                        editable=False,
                        help_text="since then it is being deleted and answers nobody",
                        null=True,
                    ),
                ),
            ],
            options={
                "db_table": "projects",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("id", 1), _negated=True),
                            ("deleted_at", None),
                            _connector="OR",
                        ),
                        name="projects_default_stays",
                    )
                ],
            },
        ),
        # The default project, as number 1.
        migrations.RunSQL(
            "INSERT INTO projects (id, slug, name) VALUES (1, 'default', 'Default')",
            "DELETE FROM projects",
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("viewer", "viewer: looks at events and reports"),
                            ("editor", "editor: also saves views and shares them"),
                            (
                                "admin",
                                "admin: also sends events and files, has keys, settings and erasures",
                            ),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        limit_choices_to={"deleted_at": None},
                        on_delete=django.db.models.deletion.CASCADE,
                        to="projects.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "db_table": "memberships",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "project"),
                        name="memberships_one",
                        violation_error_message="This person is already a member of the project.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["viewer", "editor", "admin"])),
                        name="memberships_role",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="who or what uses the key", max_length=100)),
                (
                    "prefix",
                    models.CharField(
                        editable=False, help_text="first characters of the secret", max_length=16
                    ),
                ),
                (
                    "digest",
                    models.BinaryField(
                        help_text="SHA-256 of the secret", max_length=32, unique=True
                    ),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("ingest", "ingest: send events and files"),
                                ("read", "read: look at events and reports"),
                            ],
                            max_length=16,
                        ),
                        size=None,
                    ),
                ),
                (
                    "rate_limit_per_minute",
                    models.IntegerField(
                        blank=True,
                        help_text="requests a minute; if empty, the limit of the client's address applies",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True, help_text="in UTC; if empty, the key never expires", null=True
                    ),
                ),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "last_used_at",
                    models.DateTimeField(
                        editable=False, help_text="exact to the minute", null=True
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        default=1,
                        help_text="what the key is for",
                        on_delete=django.db.models.deletion.CASCADE,
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "db_table": "api_keys",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at", None)),
                        fields=("project", "name"),
                        name="api_keys_name",
                        violation_error_message="A key that is not revoked has this name; revoke it first.",
                    )
                ],
            },
        ),
    ]
