"""The admin's page for saved segments."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.forms import Textarea
from django.http import HttpRequest
from django.utils.text import Truncator

from analytics.clickhouse import ClickHouseError
from analytics.models import SavedSegment
from analytics.segments import saved
from analytics.segments.expressions import InvalidSegment

# Characters of a text in the list.
_SHOWN = 100


class SavedSegmentForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = SavedSegment
        fields = ("project", "name", "text")
        widgets = {"text": Textarea(attrs={"rows": 6, "cols": 90, "class": "vLargeTextField"})}

    def clean(self) -> dict[str, Any] | None:
        """What `saved.store` checks; Django has begun the transaction that saves the row."""
        cleaned = super().clean() or {}
        if cleaned.keys() >= {"name", "text"}:
            row = self.instance
            project = cleaned["project"].pk if "project" in cleaned else row.project_id
            changed = SavedSegment(
                pk=row.pk, project_id=project, name=cleaned["name"], text=cleaned["text"]
            )
            self._check(changed)
        return cleaned

    def _check(self, row: SavedSegment) -> None:
        try:
            saved.check(row)
        except InvalidSegment as error:
            self.add_error("text", str(error))
        except saved.InUse as error:
            self.add_error("name", f"It can't be renamed: {error}.")
        except saved.TooMany as error:
            self.add_error(None, f"Not saved: {error}.")
        except ClickHouseError:
            self.add_error("text", "ClickHouse, which checks patterns, can't be reached.")


@admin.register(SavedSegment)
class SavedSegmentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "project", "told_text", "saved_by", "saved_at")
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("name",)
    ordering = ("project", "name")
    form = SavedSegmentForm

    @admin.display(description="text")
    def told_text(self, row: SavedSegment) -> str:
        """The beginning; the page of the segment has all of it."""
        return Truncator(row.text).chars(_SHOWN)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # In another project, the segments that name it would be without it.
        return ("project", "saved_by", "saved_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.saved_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What others name, and are not deleted with it, Django does not let anyone delete."""
        shown, counts, needed, protected = super().get_deleted_objects(objs, request)
        going = {row.pk for row in objs}
        with transaction.atomic():
            used = [
                f"{user}, which names {row}"
                for row in objs
                for user in saved.users(row)
                if user.pk not in going
            ]
        return shown, counts, needed, [*protected, *used]
