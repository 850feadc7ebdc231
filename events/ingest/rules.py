"""The rules of a project that its events must keep: its property schemas, and its history."""

from datetime import UTC, date, datetime, time

from events.format.records import timestamp
from events.ingest import property_schemas
from events.ingest.validation import Fault, Validated, without
from projects.keyring import keyring


def apply(checked: Validated, *, project: int, seconds: float = float("inf")) -> Validated:
    """Move the events that break a rule of the project from the records to the errors.

    Raises what `property_schemas.apply` raises.
    """
    facts = keyring.facts_of(project)
    if facts and facts.history_from:
        checked = _without_dropped(checked, facts.history_from)
    return property_schemas.apply(checked, project=project, seconds=seconds)


def are_known_to_be_none(project: int) -> bool:
    """Whether the project has no rules, as far as is known without waiting."""
    facts = keyring.facts_of(project)
    keeps_all = facts is not None and facts.history_from is None
    return keeps_all and property_schemas.are_known_to_be_none(project)


def _without_dropped(checked: Validated, kept_from: date) -> Validated:
    """Refuse events of months that the project has dropped: they would be dropped again."""
    first = timestamp(datetime.combine(kept_from, time.min, UTC))
    if not any(record.occurred_at < first for record in checked.records):
        return checked
    fault = Fault(
        "occurred_at",
        "history",
        f"occurred_at is before {kept_from}, and the project keeps no older events",
    )
    return without(checked, lambda record: fault if record.occurred_at < first else None)
