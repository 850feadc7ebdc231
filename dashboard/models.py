"""The tables of saved views and of the dashboards that they are put on."""

from datetime import UTC, datetime
from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models

from projects.models import DEFAULT, Project

MAX_NAME = 200


class SavedView(models.Model):
    """A page of a project with what its address said, under a name. `dashboard.saving` stores it.

    `query` has neither the project nor anything about the browser. `links_secret` is part of every
    shared link, so a new one ends them all.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, default=DEFAULT)
    name = models.CharField(max_length=MAX_NAME)
    page = models.CharField(max_length=20)
    query = models.TextField(blank=True)
    saved_by = models.CharField(max_length=150, blank=True)
    saved_at = models.DateTimeField(auto_now_add=True)
    links_secret = models.UUIDField(default=uuid4)
    shared_until = models.DateTimeField(null=True, help_text="when the last shared link ends")

    class Meta:
        db_table = "saved_views"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="saved_views_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def links_end(self) -> datetime | None:
        """When the last of the links ends that have not ended."""
        is_shared = self.shared_until is not None and self.shared_until > datetime.now(UTC)
        return self.shared_until if is_shared else None


class Dashboard(models.Model):
    """Saved views of a project on one page.

    `views` has their numbers in order. One that is not there any more is passed over.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, default=DEFAULT)
    name = models.CharField(max_length=MAX_NAME)
    views = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        db_table = "dashboards"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="dashboards_name")]

    def __str__(self) -> str:
        return self.name
