import django.contrib.postgres.fields
import django.core.validators
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
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
            ],
            options={
                "verbose_name": "API key",
                "db_table": "api_keys",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at", None)),
                        fields=("name",),
                        name="api_keys_name",
                        violation_error_message="A key that is not revoked has this name; revoke it first.",
                    )
                ],
            },
        ),
    ]
