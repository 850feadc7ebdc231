"""The admin's pages for hot events and property schemas."""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import QuerySet
from django.forms import JSONField, Textarea
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.admin.dates import DateDrillDown
from config.admin.tables import ReadOnlyAdmin, as_uuid
from events.ingest import property_schemas
from events.models import HotEvent, PropertySchema
from events.sql import load
from projects.models import DEFAULT, Project

# Event types offered as links. For any other type, the user writes `?event_type=` in the URL.
LISTED_TYPES = 50


class ProjectFilter(admin.SimpleListFilter):
    """Chooses one project: each index of the hot layer begins with it."""

    title = "project"
    parameter_name = "project"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        projects = Project.objects.filter(deleted_at=None).order_by("pk")
        return [(str(number), str(slug)) for number, slug in projects.values_list("pk", "slug")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The projects. There is no choice of all of them: without a choice it is the default."""
        for number, slug in self.lookup_choices:
            yield {
                "selected": int(number) == _project(self.value()),
                "query_string": changelist.get_query_string({self.parameter_name: number}),
                "display": slug,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(project_id=_project(self.value()))


def _project(value: str | None) -> int:
    """The number of a project in a query; the default project's if it is none."""
    return (
        int(value) if value and value.isascii() and value.isdigit() and len(value) < 10 else DEFAULT
    )


class ProjectDateDrillDown(DateDrillDown):
    """The days of the chosen project, by the index of its events."""

    def rows(self, request: HttpRequest, model: type[models.Model]) -> QuerySet[Any]:
        project = _project(request.GET.get(ProjectFilter.parameter_name))
        return HotEvent.objects.filter(project_id=project)


class EventTypeFilter(admin.SimpleListFilter):
    title = "event type"
    parameter_name = "event_type"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        project = _project(request.GET.get(ProjectFilter.parameter_name))
        with connection.cursor() as cursor:
            cursor.execute(load("hot_event_types"), {"project": project, "limit": LISTED_TYPES})
            return [(name, name) for (name,) in cursor.fetchall()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(event_type=self.value()) if self.value() else queryset


@admin.register(HotEvent)
class HotEventAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "moment", "event_type", "user_id")
    list_filter = (ProjectFilter, ("occurred_at", ProjectDateDrillDown), EventTypeFilter)
    search_fields = ("user_id",)
    search_help_text = "Enter a complete event_id or user_id."
    fields = ("event_id", "moment", "event_type", "user_id", "pretty_properties")

    def get_queryset(self, request: HttpRequest) -> QuerySet[HotEvent]:
        return super().get_queryset(request).defer("properties")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Finds only whole values, which an index finds at once among millions of rows."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_id = as_uuid(term)
        found = (
            models.Q(user_id=term) | models.Q(event_id=by_id) if by_id else models.Q(user_id=term)
        )
        return queryset.filter(found), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> HotEvent | None:
        """The event in the project of the list that the user comes from.

        Another project may have an event with the same id.
        """
        chosen = QueryDict(request.GET.get("_changelist_filters", ""))
        project = _project(chosen.get(ProjectFilter.parameter_name))
        event_id = as_uuid(object_id)
        if event_id is None:
            return None
        return HotEvent.objects.filter(project_id=project, event_id=event_id).first()

    @admin.display(description="occurred at (UTC)")
    def moment(self, event: HotEvent) -> str:
        return event.occurred_at.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")

    @admin.display(description="properties")
    def pretty_properties(self, event: HotEvent) -> SafeString:
        text = json.dumps(json.loads(event.properties), indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)


class SchemaField(JSONField):
    """A JSON field that takes {}, and reports an error if Python can't read the text.

    That is so if the text is nested too deep or has too long a number.
    """

    empty_values = [None, ""]

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (RecursionError, ValueError):
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except (RecursionError, ValueError):
            return InvalidJSONInput(data)


@admin.register(PropertySchema)
class PropertySchemaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("event_type", "project", "enabled", "state")
    list_filter = ("project", "enabled")
    list_select_related = ("project",)
    search_fields = ("event_type",)
    ordering = ("event_type",)
    formfield_overrides = {
        models.JSONField: {
            "form_class": SchemaField,
            "widget": Textarea(attrs={"rows": 24, "cols": 90, "class": "vLargeTextField"}),
        }
    }

    @admin.display(description="state")
    def state(self, row: PropertySchema) -> str:
        reason = property_schemas.refusal(row.schema)
        if reason is None:
            return "can be used"
        return f"can't be used, so requests with such events get 503: {reason}"
