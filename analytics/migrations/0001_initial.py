import django.db.models.deletion
from django.db import migrations, models

import analytics.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("projects", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SavedSegment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(max_length=100, validators=[analytics.models._check_name]),
                ),
                (
                    "text",
                    models.TextField(
                        help_text="as in the address of a report: segment=event_type:purchase&segment=…, and or.1=…&or.1=… for alternatives. Write %26 for &, %2B for + and %25 for %."
                    ),
                ),
                ("saved_by", models.CharField(blank=True, editable=False, max_length=150)),
                ("saved_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.ForeignKey(
                        default=1,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "db_table": "saved_segments",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "name"),
                        name="saved_segments_name",
                        violation_error_message="The project has a segment of this name.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AskedProperty",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=200)),
                ("times", models.BigIntegerField()),
                ("last_asked_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        default=1,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "db_table": "asked_properties",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "path"), name="asked_properties_path"
                    )
                ],
            },
        ),
    ]
