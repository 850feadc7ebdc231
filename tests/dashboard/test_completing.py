"""Filters are completed from what there is, and what is chosen finds its events."""

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from analytics.api.reports.funnel import step_of
from analytics.discovery import finding
from analytics.discovery.typed import written, written_did, written_field
from analytics.models import SavedSegment
from analytics.segments.expressions import Field
from projects.keyring import keyring
from projects.models import DEFAULT
from tests.dashboard.read import panel, text, texts
from tests.projects.made_projects import project, put_events
from tests.projects.test_keyring import postgresql_down
from tests.samples import event
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")
RANGE = {"from": "2026-01-01", "to": "2026-01-31"}
AT = {"occurred_at": "2026-01-10T10:00:00Z"}
# Keys and values that would break a page, an address or the language of segments.
PAIRS: list[tuple[str, Any]] = [
    ("country", "UA"),
    (r"a.b:c=d\e", "<script>alert(1)</script>"),
    ("\"quoted'", "\"><svg onload='x'>&amp;"),
    ("comma,", r"a,b\,c\\"),
    ("bracket)", "not(user_id):u1"),
    ("שלום", "👩‍👩‍👧 עולם"),
    ("long", "x" * 200),
    ("spaces ", " a  b "),
    ("address", "a/b?c=d&e#f%20+ g"),
    ("price", 42),
    ("paid", True),
    ("empty", ""),
]
TYPES = ["view", r"a,b\,", "did(x)", "a:b", "<b>\"'&", "👩‍👩‍👧", "y" * 200, "=1+1", "n>=3"]


def offers(client: Client, kind: str, typed: str = "", **more: str) -> list[dict[str, Any]]:
    got = client.get("/dashboard/complete", {**RANGE, "kind": kind, "text": typed, **more})
    assert got.status_code == 200, got.content
    found: list[dict[str, Any]] = got.json()["offers"]
    return found


def put_in(client: Client, kind: str, typed: str = "", **more: str) -> list[str]:
    """The texts of the offers."""
    return [offer["text"] for offer in offers(client, kind, typed, **more)]


def counted(client: Client, segment: str) -> int:
    """The events that the API finds by a segment."""
    got = client.get("/stats/top-events", {**RANGE, "segment": segment, "limit": "1000"})
    assert got.status_code == 200, got.content
    return sum(row["count"] for row in got.json())


@pytest.fixture
def history(stores: None) -> int:
    """The number of events: one for each pair and each type."""
    of_pairs = [event(**AT, event_type="odd", properties={key: it}) for key, it in PAIRS]
    of_types = [
        event(**AT, event_type=name, user_id=f"user {n}", properties={})
        for n, name in enumerate(TYPES)
    ]
    put_events(DEFAULT, [*of_pairs, *of_types])
    deliver_all()
    return len(PAIRS) + len(TYPES)


def test_a_field_and_then_a_value_are_chosen_and_find_their_events(
    client: Client, history: int
) -> None:
    for key, value in PAIRS:
        field, shown = Field("properties", (key,)), str(value).replace("True", "true")
        begun = written("", field)
        assert begun in put_in(client, "segment", written_field(field)), key
        [chosen] = [
            it for it in offers(client, "segment", begun) if it["label"] == (shown or "(empty)")
        ]
        assert (chosen["about"], chosen["whole"]) == ("1 event", True)
        assert counted(client, chosen["text"]) == 1, chosen
        if shown:
            others = {it["label"]: it["text"] for it in offers(client, "segment", begun + shown)}
            assert counted(client, others[f"is not {shown}"]) == history - 1, others
            assert counted(client, others[f"is one of {shown}"]) == 1, others
            assert counted(client, others[f"contains {shown}"]) >= 1, others


def test_a_comparison_is_chosen_after_its_field(client: Client, history: int) -> None:
    found = {it["label"]: it for it in offers(client, "segment", "properties.price:")}
    for label, expected in [("is set", 1), ("is not set", history - 1)]:
        assert found[label]["whole"]
        assert counted(client, found[label]["text"]) == expected
    more = found["is more than \u2026"]
    assert (more["text"], more["whole"]) == ("gt(properties.price):", False)
    assert put_in(client, "segment", more["text"]) == ["gt(properties.price):42"]
    one_of = put_in(client, "segment", "in(properties.country):DE,")
    assert one_of == ["in(properties.country):DE,UA"]
    assert "is more than \u2026" not in {
        it["label"] for it in offers(client, "segment", "properties.country:")
    }
    assert "not(properties.country)" in " ".join(put_in(client, "segment", "not(coun"))
    # Who types no `properties.` means a property too.
    assert put_in(client, "segment", "country:u")[0] == "properties.country:UA"


@pytest.mark.usefixtures("history")
def test_an_event_is_chosen_for_a_step_whatever_it_is_called(client: Client) -> None:
    for number, name in enumerate(TYPES):
        chosen = step_of([f"event_type:{name}"])
        assert put_in(client, "step", chosen)[0] == chosen
        steps = {"step": [chosen, step_of([f"event_type:{name}", "set(properties.paid)"])]}
        found = client.get("/stats/funnel", {**RANGE, **steps}).json()
        assert [it["users"] for it in found["steps"]] == [1, 0], name
        did = written_did("did", name)
        assert did in put_in(client, "segment", f"did({name}")
        assert counted(client, did) == 1, did
        assert f"user_id:user {number}" in put_in(client, "segment", f"user_id:user {number}")


@pytest.mark.usefixtures("history")
def test_the_last_condition_of_a_step_is_completed_and_the_others_stay(client: Client) -> None:
    found = put_in(client, "step", r"event_type:a\,b,properties.country:")
    assert found[0] == r"event_type:a\,b,properties.country:UA"


@pytest.mark.usefixtures("history")
def test_a_field_for_lines_has_no_value_and_is_no_user(client: Client) -> None:
    assert put_in(client, "field", "ev") == ["event_type"]
    assert put_in(client, "field", "properties.c")[:2] == [
        "properties.comma,",
        "properties.country",
    ]
    assert all(it["whole"] for it in offers(client, "field"))
    assert "user_id" not in put_in(client, "field")
    for chosen in put_in(client, "field"):
        panel(client, f"trends/panels/trend?from=2026-01-10&to=2026-01-10&by={quote(chosen)}")


def test_a_saved_segment_is_offered_by_its_name(client: Client) -> None:
    SavedSegment.objects.create(project_id=DEFAULT, name="Paying (new)", text="segment=user_id:u1")
    assert put_in(client, "segment", "pay") == ["saved(Paying (new))"]
    assert put_in(client, "segment", "saved(p") == ["saved(Paying (new))"]
    with postgresql_down():
        assert put_in(client, "segment", "pay") == []


@pytest.mark.parametrize(
    "typed",
    [
        *("no(", "user_id.x:", "a\0", "properties.a\0b:", "in(properties.a):\0,"),
        *("z" * 2_000, "(", "properties.a\\"),
    ],
)
def test_what_can_become_nothing_has_no_offers(client: Client, typed: str) -> None:
    for kind in ("segment", "step", "field"):
        assert offers(client, kind, typed) == []


def test_what_a_field_of_a_form_can_t_hold_is_not_offered(client: Client) -> None:
    properties = {"note": "two\nlines", "two\r\nlines": 1}
    put_events(DEFAULT, [event(**AT, properties=properties)])
    deliver_all()
    assert "\n" not in "".join(put_in(client, "segment"))
    assert not [it for it in put_in(client, "segment", "properties.note:") if "two" in it]


def test_only_what_is_in_the_project_and_on_its_days_is_offered(client: Client) -> None:
    put_events(DEFAULT, [event(**AT, event_type="ours", properties={"our": 1})])
    with project("theirs") as theirs:
        put_events(theirs.pk, [event(**AT, event_type="secret", properties={"spy": "007"})])
        deliver_all()
        for kind in ("segment", "step", "field"):
            ours, other = (
                str(offers(client, kind, project=slug)) for slug in ("default", "theirs")
            )
            assert "our" in ours
            assert "s" in other
            assert not [word for word in ("secret", "spy") if word in ours]
            assert "'our" not in other
        assert put_in(client, "segment", "properties.spy:")[0] != "properties.spy:007"
    later = put_in(client, "segment", **{"from": "2026-01-11"})
    assert "event_type:ours" not in later


def test_who_types_never_has_all_events_read(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = event(occurred_at="2026-01-02T10:00:00Z", event_type="old")
    put_events(DEFAULT, [old, event(**AT, event_type="new")])
    deliver_all()
    monkeypatch.setattr(finding, "MOST", 1)
    asked: list[str] = []
    ask = finding._ask

    def noted(name: str, *given: Any) -> Any:
        asked.append(name)
        return ask(name, *given)

    monkeypatch.setattr(finding, "_ask", noted)
    both = {"event_type:new", "event_type:old"}
    for zone in ("UTC", "Asia/Tokyo"):
        assert {*put_in(client, "segment", "event_type:", tz=zone)} >= both
        assert "discovery_event_types_raw" not in asked
    # Nobody may read the rollup now.
    monkeypatch.setattr(keyring, "rollup_zone", lambda project: None)
    found = put_in(client, "segment", "event_type:")
    assert "event_type:new" in found
    assert "event_type:old" not in found


def test_who_types_is_offered_some_users_of_all(client: Client) -> None:
    put_events(DEFAULT, [event(**AT, user_id=f"u{number}") for number in range(15)])
    deliver_all()
    assert len([it for it in put_in(client, "segment", "user_id:u") if "user_id:u" in it]) >= 10
    assert "user_id:u14" in put_in(client, "segment", "user_id:u14")


def test_what_can_t_be_answered_is_told(client: Client, settings: Any) -> None:
    assert client.get("/dashboard/complete?kind=wish").status_code == 400
    assert client.get("/dashboard/complete?kind=segment&range=ever").status_code == 400
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    assert client.get("/dashboard/complete?kind=segment").status_code == 503
    assert client.get("/dashboard/trends?script=no").status_code == 200


@pytest.mark.usefixtures("history")
def test_without_script_the_lists_are_in_the_page(client: Client) -> None:
    asked = "from=2026-01-01&to=2026-01-31"
    html = client.get(f"/dashboard/funnel?{asked}&script=no").content.decode()
    assert "view" in texts(html, "<option value", "option")
    assert html.count('list="list-step"') == 3
    assert "<b>" not in html.partition("<datalist")[2].partition("</form>")[0]
    assert "<datalist" not in client.get(f"/dashboard/funnel?{asked}").content.decode()


def test_every_page_with_filters_keeps_those_that_are_set(client: Client) -> None:
    given = "segment=event_type:a&or.1=user_id:u1&range=7d"
    for page in ("", "trends", "funnel", "retention"):
        html = client.get(f"/dashboard/{page}?{given}").content.decode()
        assert '<input type="hidden" name="segment" value="event_type:a">' in html, page
        assert '<input type="hidden" name="or.1" value="user_id:u1">' in html, page
        assert "Only event_type:a" in text(html), page
