"""The admin's pages for projects: make one, rename it, choose its members, delete all of it."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect

from analytics.clickhouse import ClickHouseError
from analytics.maintenance.migrate import SchemaChanged, ServerTooOld, WrongCluster
from config.admin.tables import ReadOnlyAdmin
from config.building_blocks.messages import brief
from events.auditing import rezoning
from events.lifecycle import deleting, history, making
from events.storing import quota
from projects.admin import MembershipInline
from projects.models import DEFAULT, Project

_LIST = "admin:projects_project_changelist"


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Project
        fields = (
            *("slug", "name", "time_zone"),
            *("rate_limit_per_minute", "events_per_month", "history_days"),
        )

    def clean_time_zone(self) -> str:
        """A zone that stays is not checked: limits must be changed while ClickHouse is down."""
        zone: str = self.cleaned_data["time_zone"]
        return zone if "time_zone" not in self.changed_data else rezoning.check_zone(zone)


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    list_display = ("slug", "name", "time_zone", "limit", "month", "state", "created_at")
    ordering = ("pk",)
    form = ProjectForm

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        return super().get_queryset(request).exclude(slug=None)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The slug stays: clients and scripts have it."""
        return ("slug", "month", "history", "state", "created_at", "number") if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> Any:
        return [MembershipInline] if obj else []

    @admin.display(description="number")
    def number(self, row: Project) -> int:
        return row.pk

    @admin.display(description="requests a minute", empty_value="")
    def limit(self, row: Project) -> int | None:
        return row.rate_limit_per_minute

    @admin.display(description="new events this month", empty_value="")
    def month(self, row: Project) -> str | None:
        try:
            used = quota.used(row)
        except quota.Uncounted:
            return "unknown: Redis can't be reached"
        if used is None:
            return None
        share = 100 * used.events // used.quota
        said = f"{used.events:,} of {used.quota:,} ({share} %) until {used.until.date()}"
        return said if share < 100 * quota.WARN_AT else f"⚠ {said}"

    @admin.display(description="history", empty_value="all events are kept")
    def history(self, row: Project) -> str | None:
        return _told_history(row)

    @admin.display(description="state")
    def state(self, row: Project) -> str:
        if row.deleted_at is not None:
            return "is being deleted"
        if row.rollup_zone != row.time_zone:
            return "ready; reports are slower until its days are made"
        return "ready"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("projects.add_project"))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("projects.change_project"))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        may = bool(request.user.has_perm("projects.delete_project"))
        return may and (obj is None or obj.pk != DEFAULT)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except (ClickHouseError, SchemaChanged, ServerTooOld, WrongCluster) as error:
            said = f"Nothing was made: ClickHouse failed: {brief(error)}."
            self.message_user(request, said, messages.ERROR)
            return HttpResponseRedirect(reverse(_LIST))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            making.make(obj)
            return
        obj.save(update_fields=[name for name in form.changed_data if name != "time_zone"])
        if "time_zone" in form.changed_data:
            rezoning.begin(obj, obj.time_zone, by=request.user.get_username())
            # Or the thread would look before the change can be seen.
            transaction.on_commit(rezoning.finish_soon)
            said = (
                "Reports have the new days now. They are slower for a while, until these are made."
            )
            self.message_user(request, said, messages.INFO)
        if "history_days" in form.changed_data and (plan := _told_history(obj)):
            self.message_user(request, plan, messages.WARNING)

    @method_decorator(csrf_protect)
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A page that asks for the slug, because nothing brings the events back."""
        project = self.get_object(request, object_id)
        if project is None:
            raise Http404
        if not self.has_delete_permission(request, project):
            raise PermissionDenied
        if request.POST.get("slug") == project.slug:
            self._delete(request, project)
            return HttpResponseRedirect(reverse(_LIST))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Delete the project {project.slug}",
            "opts": self.opts,
            "project": project,
            "is_wrong": request.method == "POST",
        }
        return TemplateResponse(request, "admin/delete_project.html", context)

    def _delete(self, request: HttpRequest, project: Project) -> None:
        deleting.begin(project, by=request.user.get_username())
        deleting.finish_soon()
        said = f"The project {project} answers nobody from now on, and is being deleted."
        self.message_user(request, said, messages.SUCCESS)


def _told_history(project: Project) -> str | None:
    try:
        plan = history.plan(project, today=datetime.now(UTC).date())
    except ClickHouseError:
        return "ClickHouse can't be reached, so it is not known what goes next."
    return None if plan is None else history.told(plan)
