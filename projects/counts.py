"""Counts the events of each project for /metrics, of a bounded number of projects."""

from config.monitoring import metrics
from projects.keyring import keyring

# Each project has four series in every process. What comes after so many projects is counted
# together, as OTHERS.
MOST_PROJECTS = 100
OTHERS = "(others)"
_named: dict[int, str] = {}


def count_events(
    project: int, *, received: int = 0, rejected: int = 0, stored: int = 0, duplicate: int = 0
) -> None:
    """Add to the counts of a project."""
    outcomes = {
        "received": received,
        "rejected": rejected,
        "stored": stored,
        "duplicate": duplicate,
    }
    for outcome, count in outcomes.items():
        if count:
            metrics.PROJECT_EVENTS.labels(_name(project), outcome).inc(count)


def _name(project: int) -> str:
    """The slug of one of the first MOST_PROJECTS projects that this process met, or OTHERS."""
    if name := _named.get(project):
        return name
    facts = keyring.facts_of(project)
    if facts is None or len(_named) >= MOST_PROJECTS:
        return OTHERS
    return _named.setdefault(project, facts.slug)
