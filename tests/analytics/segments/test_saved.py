"""Saved segments: what may be stored, what it means in a report, and who depends on it."""

import re
from contextlib import ExitStack
from datetime import date
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from analytics import clickhouse
from analytics.models import SavedSegment
from analytics.segments import patterns, saved
from analytics.segments.asked import segments_of
from analytics.segments.expressions import InvalidSegment
from analytics.segments.saved import MAX_DEPTH, InUse, TooMany
from analytics.segments.translating import Scope, condition
from importer.models import Import
from projects.models import DEFAULT
from tests.factories import ImportFactory, SavedSegmentFactory
from tests.meanwhile import before, beside, impatient, in_thread, waiting_for_locks
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

SCOPE = Scope("UTC", date(2026, 1, 31), is_rolled_up=True)


def store(name: str, text: str, **fields: Any) -> SavedSegment:
    row = SavedSegment(name=name, text=text, **fields)
    saved.store(row)
    return row


def meant(*texts: str) -> tuple[str, dict[str, object]]:
    """The SQL without brackets, which stand around a saved segment too, and its parameters."""
    found = condition(segments_of(texts, {}, project=DEFAULT), SCOPE)
    return re.sub("[()]", "", found.sql), found.parameters


def refused(*texts: str) -> str:
    with pytest.raises(InvalidSegment) as error:
        segments_of(texts, {}, project=DEFAULT)
    return str(error.value)


def test_a_saved_segment_means_what_it_says() -> None:
    store("cheap", "segment=lt(properties.price):5&segment=not(user_id):bot")
    store("cheap or new", "or.1=saved(cheap)&or.1=didnot(purchase,90d)")
    parts = ["lt(properties.price):5", "not(user_id):bot"]
    assert meant("saved(cheap)") == meant(*parts)
    full = segments_of(["saved(cheap or new)", "user_id:u1"], {}, project=DEFAULT)
    assert [type(it).__name__ for it in full.conditions()] == [
        *("Comparison", "Comparison", "Did", "Comparison")
    ]


@pytest.mark.parametrize(
    "name", ["a", "x" * 100, "a & b=c:d, (e) 'f' \"g\" \\ %26 + / ? #", "Київ 👩‍👩‍👧", "saved(a)"]
)
def test_any_printable_name_may_be_given(name: str) -> None:
    store(name, "segment=user_id:u1")
    full = segments_of([f"saved({name})"], {}, project=DEFAULT)
    assert [it.place.number for it in full.conditions()] == [1]


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", " a", "a ", "a\x7f", "\ud800"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        store(name, "segment=user_id:u1")
    assert refused.value.message_dict.keys() == {"name"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("segment=country:UA", "segment 1: the field must be"),
        ("segment=user_id:a&or.2=gt(properties.a):x", "alternative 1: gt(…) needs a number"),
        ("segment=match(user_id):(", "segment 1: the pattern can't be used: missing )"),
        ("segment=saved(nobody's)", 'segment 1: there is no saved segment "nobody\'s", which'),
        ("segment=user_id:a&segment=saved(mine)", "in a circle: saved(mine) names saved(mine)"),
        ("user_id:a", "text: 'user_id:a' is no part of a segment"),
    ],
)
def test_a_text_that_makes_no_sense_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidSegment) as refused:
        store("mine", text)
    assert complaint in str(refused.value)
    assert not SavedSegment.objects.exists()


def test_saved_segments_do_not_name_each_other_in_a_circle() -> None:
    first = store("first", "segment=user_id:a")
    store("second", "segment=saved(first)")
    store("third", "segment=saved(second)")
    first.text = "segment=saved(third)"
    with pytest.raises(InvalidSegment, match="in a circle"):
        saved.store(first)
    assert meant("saved(third)") == meant("saved(first)") == meant("user_id:a")


def test_saved_segments_are_so_deep_in_each_other_and_no_deeper() -> None:
    store("1", "segment=user_id:a")
    for depth in range(2, MAX_DEPTH + 1):
        store(str(depth), f"segment=saved({depth - 1})")
    segments_of([f"saved({MAX_DEPTH})"], {}, project=DEFAULT)
    with pytest.raises(InvalidSegment, match="at most 5 deep"):
        store("too deep", f"segment=saved({MAX_DEPTH})")
    store("0", "segment=user_id:a")
    lowest = SavedSegment.objects.get(name="1")
    lowest.text = "segment=saved(0)"
    with pytest.raises(InvalidSegment, match=r"saved\(5\) names it and would not work: .* 5 deep"):
        saved.store(lowest)


def test_their_conditions_count_like_others() -> None:
    store("many", "&".join(["segment=user_id:a"] * 10))
    store("all", "&".join(["segment=saved(many)"] * 5))
    segments_of(["saved(all)"], {}, project=DEFAULT)
    assert "at most 50 conditions" in refused("saved(all)", "user_id:b")
    with pytest.raises(InvalidSegment, match="at most 50 conditions"):
        store("more", "segment=saved(all)&segment=user_id:b")
    many = SavedSegment.objects.get(name="many")
    many.text += "&or.1=user_id:b"
    with pytest.raises(InvalidSegment, match=r"saved\(all\) names it and would not work"):
        saved.store(many)


def test_what_others_name_is_neither_deleted_nor_renamed() -> None:
    row = store("used", "segment=user_id:a")
    user = store("user", "segment=saved(used)")
    with pytest.raises(InUse, match="it is used by user; change these first"):
        saved.delete(row)
    row.name = "renamed"
    with pytest.raises(InUse, match="used by user"):
        saved.store(row)
    saved.delete(user)
    saved.store(row)
    assert refused("saved(used)") == "segment 1: there is no saved segment 'used'"
    segments_of(["saved(renamed)"], {}, project=DEFAULT)
    saved.delete(row)
    assert refused("saved(renamed)") == "segment 1: there is no saved segment 'renamed'"


def test_a_row_that_somebody_wrote_with_sql_is_refused_where_it_is_named() -> None:
    SavedSegmentFactory.create(name="broken", text="segment=nonsense")
    SavedSegmentFactory.create(name="circle", text="segment=saved(circle)")
    SavedSegmentFactory.create(name="pattern", text="segment=match(user_id):(")
    assert "segment 1: saved(broken): segment 1: expected field:value" in refused("saved(broken)")
    assert "in a circle" in refused("saved(circle)")
    assert "segment 1: the pattern can't be used" in refused("saved(pattern)")
    store("fine", "segment=user_id:a")


def test_of_another_project_nothing_is_known() -> None:
    store("ours", "segment=user_id:a")
    with pytest.raises(InvalidSegment, match="there is no saved segment 'ours'"):
        segments_of(["saved(ours)"], {}, project=2)


def test_there_are_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "MAX_SAVED", 2)
    first = store("1", "segment=user_id:a")
    store("2", "segment=user_id:a")
    with pytest.raises(TooMany):
        store("3", "segment=user_id:a")
    saved.store(first)


def test_a_report_without_saved_segments_asks_postgresql_nothing() -> None:
    with CaptureQueriesContext(connection) as asked:
        segments_of(["user_id:a"], {"or.1": ["set(properties.a)"]}, project=DEFAULT)
    assert len(asked) == 0


def test_clickhouse_is_asked_once_about_a_pattern(settings: Any) -> None:
    patterns._complaint.cache_clear()
    segments_of(["match(user_id):^a"], {}, project=DEFAULT)
    misses = patterns._complaint.cache_info().misses
    segments_of(["match(user_id):^a", "match(properties.b):^a"], {}, project=DEFAULT)
    assert patterns._complaint.cache_info().misses == misses == 1


def test_nobody_deletes_what_somebody_else_is_about_to_name() -> None:
    row, refusals = store("used", "segment=user_id:a"), []

    def delete() -> None:
        try:
            saved.delete(SavedSegment.objects.get(pk=row.pk))
        except InUse as error:
            refusals.append(error.names)

    with ExitStack() as later, transaction.atomic():
        store("user", "segment=saved(used)")
        later.enter_context(beside(delete))
        wait_until(lambda: waiting_for_locks() == 1)
    assert refusals == [["user"]]
    assert SavedSegment.objects.count() == 2


def test_what_somebody_has_deleted_is_not_made_again() -> None:
    row = store("mine", "segment=user_id:a")
    saved.delete(SavedSegment.objects.get())
    with pytest.raises(SavedSegment.DoesNotExist):
        saved.store(row)
    assert not SavedSegment.objects.exists()


def test_while_clickhouse_checks_a_pattern_others_save_segments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patterns._complaint.cache_clear()
    happens = impatient(lambda: store("theirs", "segment=user_id:a"))
    before(monkeypatch, clickhouse, "query_server", happens)
    store("ours", "segment=match(user_id):^b")
    assert {row.name for row in SavedSegment.objects.all()} == {"ours", "theirs"}


def test_an_import_begins_while_a_segment_is_saved() -> None:
    with transaction.atomic():
        store("mine", "segment=user_id:a")
        in_thread(impatient(ImportFactory.create))
    assert Import.objects.count() == 1
