"""The admin's page for imports."""

from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from events.admin_dates import DateDrillDown
from events.admin_tables import ReadOnlyAdmin
from importer.models import Import


@admin.register(Import)
class ImportAdmin(ReadOnlyAdmin):
    list_display = (
        *("path", "state", "started_at", "finished_at", "file_size"),
        *("read", "stored", "duplicates", "bad", "error"),
    )
    list_filter = (("started_at", DateDrillDown), "state")
    ordering = ("-started_at", "-id")
    search_fields = ("path",)
    search_help_text = "A part of the path"
    fields = (
        *("path", "file_size", "state", "started_at", "finished_at"),
        *("read", "stored", "duplicates", "bad", "error", "key"),
    )

    @admin.display(description="size")
    def file_size(self, row: Import) -> str:
        return filesizeformat(row.size)
