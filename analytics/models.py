"""The tables of saved segments, and of the properties that segments ask for."""

import re

from django.core.exceptions import ValidationError
from django.db import models

from projects.models import DEFAULT, Project

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _check_name(name: str) -> None:
    if _CONTROL.search(name) or name != name.strip():
        raise ValidationError("A name has no control characters, and no spaces around it.")


class SavedSegment(models.Model):
    """A segment of a project under a name, for `saved(name)`. `analytics.segments.saved` stores it.

    A row that was written with SQL may have a text that can't be used. Requests that name it are
    then refused.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, default=DEFAULT)
    name = models.CharField(max_length=100, validators=[_check_name])
    text = models.TextField(
        help_text="as in the address of a report: segment=event_type:purchase&segment=…, and "
        "or.1=…&or.1=… for alternatives. Write %26 for &, %2B for + and %25 for %."
    )
    saved_by = models.CharField(max_length=150, blank=True, editable=False)
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "saved_segments"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                name="saved_segments_name",
                violation_error_message="The project has a segment of this name.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class AskedProperty(models.Model):
    """How often the segments of a project asked whether a property has a value."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, default=DEFAULT)
    path = models.CharField(max_length=200)
    times = models.BigIntegerField()
    last_asked_at = models.DateTimeField()

    class Meta:
        db_table = "asked_properties"
        constraints = [
            models.UniqueConstraint(fields=["project", "path"], name="asked_properties_path")
        ]

    def __str__(self) -> str:
        return self.path
