"""Events refused at the door, and what was kept of them."""

from typing import Any

from django.test import Client

from events.models import RejectedEvent
from tests.posting import post
from tests.samples import event
from tests.waiting import wait_until


def kept(count: int) -> list[RejectedEvent]:
    wait_until(lambda: RejectedEvent.objects.count() == count)
    return list(RejectedEvent.objects.order_by("id"))


def refused_one(client: Client, **changes: Any) -> RejectedEvent:
    post(client, [event(**changes)])
    [row] = kept(1)
    return row
