"""Delivers the outbox now, as beat does every few seconds."""

from typing import Any

from django.core.management.base import CommandError
from django.db.models import Count

from config.building_blocks.command import ServiceCommand
from events.delivery.deliver import deliver_due
from events.models import Batch


class Command(ServiceCommand):
    help = (
        "Send every batch that is due to ClickHouse. Exits with 1 if ClickHouse can't be reached or"
        " fails several times in a row."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        delivered = deliver_due()
        self.stdout.write(f"{delivered.blocks} blocks delivered")
        counts = Batch.objects.values_list("state").annotate(Count("id")).order_by()
        left = dict(counts.filter(state__in=["pending", "failed", "unstored"]))
        if pending := left.get(Batch.State.PENDING):
            self.stdout.write(
                f"{pending} batches wait: another process delivers them, or their next attempt is"
                " not due yet"
            )
        if refused := left.get(Batch.State.FAILED, 0) + left.get(Batch.State.UNSTORED, 0):
            self.stdout.write(f"{refused} batches have failed: see them in the admin")
        if delivered.failed:
            refused_last = Batch.objects.filter(state="pending").exclude(error="").first()
            reason = refused_last.error if refused_last else "see the log"
            raise CommandError(f"ClickHouse does not accept batches now: {reason}")
