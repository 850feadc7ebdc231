"""The admin's pages for rejected events: see why, correct them, and send them again."""

from typing import Any

import psycopg
from django import db, forms
from django.contrib import admin, messages
from django.db.models import Model, Q, QuerySet
from django.forms import Textarea
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.text import Truncator

from config.admin.dates import DateDrillDown
from config.admin.outcomes import Outcome
from config.admin.tables import ReadOnlyAdmin
from config.building_blocks import unavailable
from config.building_blocks.messages import brief
from events.ingest import rejected
from events.models import RejectedEvent
from events.storing.store import Stored

# Events sent again in one request. Each needs its own transaction, and a person waits for the page.
MOST_SENT = 1_000
# Characters of a message in the list. The page of the event has all of it.
_SHOWN = 100


class SendAgainForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = RejectedEvent
        fields = ("raw",)
        labels = {"raw": "text as it was sent"}
        help_texts = {"raw": "Correct the text here. An event that is sent again leaves this list."}
        widgets = {"raw": Textarea(attrs={"rows": 24, "cols": 100, "spellcheck": "false"})}

    def clean_raw(self) -> str:
        text = str(self.cleaned_data["raw"])
        try:
            rejected.check(self.instance, text)
        except rejected.StillRejected as error:
            raise forms.ValidationError(error.messages) from None
        return text


@admin.register(RejectedEvent)
class RejectedEventAdmin(ReadOnlyAdmin):
    list_display = ("id", "rejected_at", "project", "client", "code", "field", "reason")
    list_filter = (("rejected_at", DateDrillDown), "project", "code", "field")
    list_select_related = ("project",)
    ordering = ("-id",)
    search_fields = ("client", "event_id")
    search_help_text = "Enter a complete event_id or client address."
    readonly_fields = (
        *(
            "rejected_at",
            "project",
            "client",
            "position",
            "event_id",
            "field",
            "code",
            "message",
            "size",
        ),
    )
    fields = (*readonly_fields, "raw")
    form = SendAgainForm
    change_form_template = "admin/rejected_event.html"
    actions = ("send_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RejectedEvent]:
        return super().get_queryset(request).defer("raw")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        found = Q(client=term) | Q(event_id=term)
        return (queryset.filter(found) if term else queryset), False

    @admin.display(description="message")
    def reason(self, row: RejectedEvent) -> str:
        return Truncator(row.message).chars(_SHOWN)

    @admin.display(description="size")
    def size(self, row: RejectedEvent) -> str:
        return filesizeformat(row.raw_bytes)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("events.change_rejectedevent"))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("events.delete_rejectedevent"))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Send the event again, for the button of the page. The form has checked the one field."""
        self._send_again(request, obj, form.cleaned_data["raw"])

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:events_rejectedevent_changelist"))

    @admin.action(description="Send again without changes", permissions=["change"])
    def send_again(self, request: HttpRequest, rows: QuerySet[RejectedEvent]) -> None:
        # One at a time, because all texts together may fill the memory.
        keys = list(rows.values_list("pk", flat=True)[: MOST_SENT + 1])
        outcome, stored = Outcome("send_rejected_events_again", request.user), Stored(0, 0, 0)
        for key in keys[:MOST_SENT]:
            try:
                one = rejected.send_again_as_it_is(key)
            except unavailable.POSTGRESQL as error:  # each further row would wait in vain
                outcome.fault(f"PostgreSQL failed, so the other events were not sent: {error}")
                break
            except (rejected.StillRejected, db.Error, psycopg.Error) as error:
                outcome.fault(f"rejected event {key}: {error}")
            else:
                outcome.done += 1
                stored = Stored(*map(sum, zip(stored, one, strict=True)))
        outcome.tell(request, f"{outcome.done} sent again: {_told(stored)}.")
        if len(keys) > MOST_SENT:
            told = f"Only the newest {MOST_SENT} were processed. Repeat the action for the others."
            self.message_user(request, told, messages.WARNING)

    def _send_again(self, request: HttpRequest, row: RejectedEvent, text: str) -> None:
        try:
            stored = rejected.send_again(row, text)
        except (rejected.StillRejected, db.Error, psycopg.Error) as error:
            self.message_user(request, f"{row}: {brief(error)}.", messages.ERROR)
        else:
            self.message_user(request, f"{row}: {_told(stored)}.", messages.SUCCESS)


def _told(stored: Stored) -> str:
    if stored.duplicates:
        return f"{stored.stored} stored, {stored.duplicates} already stored"
    return f"{stored.stored} stored"
