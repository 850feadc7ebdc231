"""The metrics of each project: what they count, and that their number is bounded."""

import pytest
from django.test import Client

from projects import counts
from tests.events.monitoring.exposed import samples
from tests.posting import post
from tests.projects.made_projects import project
from tests.samples import event

pytestmark = pytest.mark.usefixtures("stores")


def grown(before: dict[str, float], after: dict[str, float]) -> dict[tuple[str, str], float]:
    """How much the counts of projects have grown, by project and outcome."""
    found = {}
    for name, value in after.items():
        if name.startswith("project_events_total{") and value != before.get(name, 0):
            labels = dict(part.split("=") for part in name[21:-1].split(","))
            key = labels["project"].strip('"'), labels["outcome"].strip('"')
            found[key] = value - before.get(name, 0)
    return found


def test_events_are_counted_by_project_and_outcome(client: Client) -> None:
    with project("counted"):
        before = samples(client)
        good, bad = event(), event(user_id="")
        for slug in ("counted", "default"):
            answer = post(client, [good, good, bad], f"?project={slug}&wait=true")
            assert answer.status_code == 200
        assert grown(before, samples(client)) == {
            (slug, outcome): count
            for slug in ("counted", "default")
            for outcome, count in [
                ("received", 3),
                ("rejected", 1),
                ("stored", 1),
                ("duplicate", 1),
            ]
        }


def test_projects_past_the_bound_are_counted_together(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "_named", {})
    monkeypatch.setattr(counts, "MOST_PROJECTS", 1)
    with project("first"), project("second"), project("third"):
        before = samples(client)
        for slug in ("first", "second", "third", "first"):
            assert post(client, [event()], f"?project={slug}&wait=true").status_code == 200
        found = grown(before, samples(client))
    assert {project for project, _ in found} == {"first", counts.OTHERS}
    assert found["first", "stored"] == found[counts.OTHERS, "stored"] == 2
