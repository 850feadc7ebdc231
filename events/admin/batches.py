"""The admin's pages for batches, and what a person may do with those that failed."""

from typing import Any
from uuid import UUID

import msgspec
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.admin.dates import DateDrillDown
from config.admin.outcomes import Outcome
from config.admin.tables import ReadOnlyAdmin, as_uuid
from events.auditing import failed
from events.delivery import parking
from events.format.records import Record
from events.models import Batch

# Events of a failed batch shown in full.
SHOWN_EVENTS = 20
# Batches listed before they are discarded.
SHOWN_BATCHES = 100


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    list_display = (
        *("short_id", "project", "created_at", "source", "state", "received", "stored"),
        *("size", "delivered_at"),
    )
    list_filter = (("created_at", DateDrillDown), "project", "state", "source")
    list_select_related = ("project",)
    ordering = ("-id",)
    search_fields = ("id",)
    search_help_text = "Enter a complete batch id."
    fields = (
        *(
            "id",
            "project",
            "source",
            "state",
            "received",
            "stored",
            "duplicates",
            "size",
            "created_at",
        ),
        *("attempts", "claimed_until", "error", "delivered_at", "delivered_with", "part_of"),
        "failed_events",
    )
    actions = ("retry", "discard")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        return super().get_queryset(request).defer("payload", "error")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(id=as_uuid(term)) if term else queryset), False

    @admin.display(description="id")
    def short_id(self, batch: Batch) -> str:
        """The end of the id. Its beginning is the time, and the same for many."""
        return f"…{str(batch.id)[-8:]}"

    @admin.display(description="size")
    def size(self, batch: Batch) -> str:
        return filesizeformat(batch.payload_bytes)

    @admin.display(description="delivered with", empty_value="")
    def delivered_with(self, batch: Batch) -> SafeString | None:
        """A link to the batch that was delivered with this batch's events."""
        return _link(batch.merged_into_id)

    @admin.display(description="part of", empty_value="")
    def part_of(self, batch: Batch) -> SafeString | None:
        """A link to the batch that was split into this batch and others."""
        return _link(batch.split_from_id)

    @admin.display(description="failed events", empty_value="")
    def failed_events(self, batch: Batch) -> SafeString | None:
        """The first SHOWN_EVENTS events of a failed batch, if its payload can be read."""
        if batch.state not in failed.FAILED:
            return None
        records = parking.readable(batch)
        texts = [_pretty(record) for record in records[:SHOWN_EVENTS]]
        if len(records) > len(texts):
            texts.append(f"… and {len(records) - len(texts)} more")
        return format_html("<pre>{}</pre>", "\n".join(texts) or "The payload can't be read.")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the user may retry or discard failed batches. Rows can't be edited."""
        return bool(request.user.has_perm("events.change_batch"))

    @admin.action(description="Try failed batches again", permissions=["decide"])
    def retry(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        chosen = self._failed(request, batches)
        outcome = Outcome("retry_batches", request.user)
        for batch_id, _ in chosen:
            try:
                failed.retry(batch_id)
            except failed.NotFailed as error:
                outcome.fault(error)
            except Exception as error:
                outcome.fault(f"Batch {batch_id}: {error}")
            else:
                outcome.done += 1
                self.log_change(request, self._row(batch_id), "Tried again.")
        if chosen:
            outcome.tell(request, f"{_batches(outcome.done)} tried again.")

    @admin.action(description="Discard failed batches permanently", permissions=["decide"])
    def discard(self, request: HttpRequest, batches: QuerySet[Batch]) -> HttpResponse | None:
        chosen = self._failed(request, batches)
        if not chosen:
            return None
        # If the number has changed since the user confirmed, ask again.
        if request.POST.get("confirmed") != str(len(chosen)):
            return self._ask(request, batches, chosen)
        outcome = Outcome("discard_batches", request.user)
        for batch_id, events in chosen:
            try:
                failed.discard(batch_id, by=request.user.get_username())
            except failed.NotFailed as error:
                outcome.fault(error)
            else:
                outcome.done += 1
                self.log_change(request, self._row(batch_id), f"Discarded {events} events.")
        outcome.tell(request, f"{_batches(outcome.done)} discarded.")
        return None

    def _failed(self, request: HttpRequest, batches: QuerySet[Batch]) -> list[tuple[UUID, int]]:
        """The ids of the failed batches among these, and how many events each has."""
        chosen = batches.filter(state__in=failed.FAILED).values_list("id", "received")
        if not chosen:
            self.message_user(request, "None of the selected batches has failed.", messages.WARNING)
        return list(chosen)

    def _ask(
        self, request: HttpRequest, batches: QuerySet[Batch], chosen: list[tuple[UUID, int]]
    ) -> HttpResponse:
        """A page to confirm, which sends the same selection again.

        It does not send the ids of all batches: more ids than the list shows do not fit.
        """
        shown = batches.filter(id__in=[batch_id for batch_id, _ in chosen[:SHOWN_BATCHES]])
        context = {
            **self.admin_site.each_context(request),
            "batches": shown.select_related(None).defer(None).only("received", "error"),
            "count": len(chosen),
            "more": max(0, len(chosen) - SHOWN_BATCHES),
            "events": sum(events for _, events in chosen),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
        }
        return TemplateResponse(request, "admin/discard_batches.html", context)

    def _row(self, batch_id: UUID) -> Batch:
        """A batch for the admin's log, which needs only its id and name.

        The row may be gone by now: `failed.retry` deletes a batch that it stores.
        """
        return Batch(id=batch_id)


def _batches(count: int) -> str:
    return "1 batch is" if count == 1 else f"{count} batches are"


def _link(batch_id: UUID | None) -> SafeString | None:
    if batch_id is None:
        return None
    link = reverse("admin:events_batch_change", args=[batch_id])
    return format_html('<a href="{}">{}</a>', link, batch_id)


def _pretty(record: Record) -> str:
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode()
