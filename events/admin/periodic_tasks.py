"""The admin's pages for periodic tasks: when each runs and what it does, in words."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django_celery_beat.admin import PeriodicTaskAdmin as Original
from django_celery_beat.admin import PeriodicTaskInline
from django_celery_beat.models import IntervalSchedule, PeriodicTask

_ANY = "*"

admin.site.unregister(PeriodicTask)
# On the pages of schedules. The package's own has the paths of modules.
PeriodicTaskInline.fields = PeriodicTaskInline.readonly_fields = ("name", "description")


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(Original):  # type: ignore[misc]
    list_display = ("title", "description", "enabled", "last_run_at")
    list_display_links = ("title",)
    # Those of the package have the paths of modules.
    list_filter = ("enabled",)
    search_fields = ("name", "description")
    ordering = ("name",)
    date_hierarchy = None

    @admin.display(description="periodic task", ordering="name")
    def title(self, row: PeriodicTask) -> str:
        return title_of(row)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if object_id else None
        shown = {"subtitle": title_of(row)} if row else {}
        answer: HttpResponse = super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )
        return answer


def title_of(row: PeriodicTask) -> str:
    """Such as `Every day at 3:00: drop hot days`."""
    return f"{_when(row)}: {row.name}"


def _when(row: PeriodicTask) -> str:
    if row.interval:
        return _every(row.interval)
    if row.crontab is None:
        return f"{row.solar or row.clocked or 'Never'}"
    at, zone = row.crontab, str(row.crontab.timezone)
    daily = (at.day_of_week, at.day_of_month, at.month_of_year) == (_ANY, _ANY, _ANY)
    if not (daily and at.hour.isdigit() and at.minute.isdigit()):
        return str(at.human_readable)
    shown = f"Every day at {int(at.hour)}:{int(at.minute):02}"
    return shown if zone == "UTC" else f"{shown} ({zone})"


def _every(interval: IntervalSchedule) -> str:
    if interval.every == 1:
        return f"Every {interval.get_period_display().lower().removesuffix('s')}"
    return f"Every {interval.every} {interval.get_period_display().lower()}"
