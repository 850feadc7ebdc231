"""The admin's pages for hot events and property schemas."""

import json
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import QuerySet
from django.forms import JSONField, Textarea
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.admin.dates import DateDrillDown
from config.admin.tables import ReadOnlyAdmin, as_uuid
from events.ingest import property_schemas
from events.models import HotEvent, PropertySchema
from events.sql import load

# Event types offered as links. For any other type, the user writes `?event_type=` in the URL.
LISTED_TYPES = 50


class EventTypeFilter(admin.SimpleListFilter):
    title = "event type"
    parameter_name = "event_type"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(load("hot_event_types"), {"limit": LISTED_TYPES})
            return [(name, name) for (name,) in cursor.fetchall()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(event_type=self.value()) if self.value() else queryset


@admin.register(HotEvent)
class HotEventAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "moment", "event_type", "user_id")
    list_filter = (("occurred_at", DateDrillDown), EventTypeFilter)
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

    @admin.display(description="occurred at (UTC)")
    def moment(self, event: HotEvent) -> str:
        return event.occurred_at.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")

    @admin.display(description="properties")
    def pretty_properties(self, event: HotEvent) -> SafeString:
        text = json.dumps(json.loads(event.properties), indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)


class SchemaField(JSONField):
    """A JSON field that reports an error if Python can't read the text.

    That is so if the text is nested too deep or has too long a number.
    """

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
    list_display = ("event_type", "enabled", "state")
    list_filter = ("enabled",)
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
