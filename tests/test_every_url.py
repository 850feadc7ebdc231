"""No URL fails: each is tried by every method, by whoever may come."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django_celery_beat.models import ClockedSchedule, SolarSchedule

from events.models import RejectedEvent
from events.storing import hot
from projects.models import Project
from tests import factories
from tests.projects.made_keys import bearer, secret
from tests.projects.made_people import member
from tests.urls import every_url, models

ADMIN, LOGOUT = "/admin/", "/admin/logout/"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
# For pages: one costs 10 ms and there are 160. To the admin all but POST are GET.
METHODS_OF_PAGES = ("GET", "POST")
# Whoever is refused is so before a view looks at the method. Each of these is tried by one.
OTHERS = tuple(method for method in METHODS if method not in METHODS_OF_PAGES)


class Answer(NamedTuple):
    method: str
    url: str
    status: int


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = settings.LOGIN_LIMIT_PER_MINUTE = 0


@pytest.fixture(autouse=True)
def _a_row_of_each(stores: None, few_series: None, tmp_path: Path) -> None:
    """Of every model that the admin shows, so that every page has something to show."""
    hot.ensure_partitions(now=datetime.now(UTC))
    rejected = tmp_path / "rejected.csv"
    rejected.write_text("line,reason,raw\n")
    factories.HotEventFactory.create()
    factories.BatchFactory.create()
    factories.PropertySchemaFactory.create()
    factories.SavedSegmentFactory.create()
    factories.ImportFactory.create(upload=True, rejected_path=str(rejected))
    factories.AdminFactory.create()
    RejectedEvent.objects.create(position=0, raw_bytes=2, raw="{}")
    Group.objects.create(name="readers")
    secret("read")
    member("viewer", Project.objects.get())
    # Tests leave the tables of schedules as they are.
    ClockedSchedule.objects.get_or_create(clocked_time=datetime(2026, 1, 1, tzinfo=UTC))
    SolarSchedule.objects.get_or_create(event="sunset", latitude=50, longitude=30)
    empty = [model.__name__ for model in models() if not model._default_manager.exists()]
    assert not empty, f"make a row of {empty} here"


def asked(client: Client, url: str, methods: tuple[str, ...], **headers: str) -> list[Answer]:
    """Each method is sent a body that means nothing."""
    answers = []
    for method in methods:
        answer = client.generic(method, url, b'{"a": [1]}', "application/json", headers=headers)
        answer.close()
        answers.append(Answer(method, url, answer.status_code))
    return answers


def failed(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status >= 500]


def some_of(turn: int) -> tuple[str, ...]:
    """Of three turns, each has some of the other methods; together they have all."""
    return (*METHODS_OF_PAGES, *OTHERS[turn % 3 :: 3])


@pytest.mark.parametrize(
    ("required", "key", "refused"),
    [
        (True, "none", 0),
        (True, "ingest", 1),
        (False, "wrong", 2),
        (True, "read", None),
        (False, "none", None),
    ],
)
def test_no_method_fails_with_any_key(
    required: bool, key: str, refused: int | None, settings: Any
) -> None:
    settings.API_KEYS_REQUIRED = required
    headers = {"none": {}, "wrong": bearer("ea_wrong")}
    shown = headers[key] if key in headers else bearer(secret(key))
    client = Client(raise_request_exception=False)
    urls = [url for url in every_url() if not url.startswith(ADMIN)]
    answers = []
    for number, url in enumerate(urls):
        methods = METHODS if refused is None else some_of(number + refused)
        answers += asked(client, url, methods, **shown)
    assert len(answers) >= 300
    assert failed(answers) == []


def viewer() -> User:
    user = User.objects.create(username="viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return user


def test_no_page_of_the_admin_fails_for_nobody() -> None:
    client = Client(raise_request_exception=False)
    answers = []
    for number, url in enumerate(url for url in every_url() if url.startswith(ADMIN)):
        answers += asked(client, url, some_of(number))
    assert len(answers) >= 600
    assert {method for method, _, _ in answers} == {*METHODS}
    assert failed(answers) == []


@pytest.mark.parametrize(
    "person",
    [
        pytest.param(viewer, id="viewer"),
        pytest.param(factories.AdminFactory.create, id="superuser"),
    ],
)
def test_no_page_of_the_admin_fails_for_anybody(person: Callable[[], User]) -> None:
    user = person()
    client = Client(raise_request_exception=False)
    client.force_login(user)
    answers = []
    for url in every_url():
        if url.startswith(ADMIN):
            answers += asked(client, url, METHODS_OF_PAGES)
        if url == LOGOUT:
            client.force_login(user)
    assert len(answers) >= 300
    assert failed(answers) == []
    assert client.get(ADMIN).status_code == 200, "logged in until the end"


def test_a_nul_character_is_a_bad_request() -> None:
    client = Client(raise_request_exception=False)
    client.force_login(factories.AdminFactory.create())
    for url, cookie in [
        ("/admin/", 'sessionid="a session\\000"'),
        ("/admin/events/batch/?state__exact=%00", ""),
        ("/admin/events/hotevent/?event_type=%00", ""),
        ("/admin/events/propertyschema/?event_type__exact=%00", ""),
        ("/admin/events/rejectedevent/?code=%00", ""),
        ("/admin/importer/import/?state__exact=%00", ""),
    ]:
        answer = client.get(url, headers={"Cookie": cookie} if cookie else {})
        assert answer.status_code == 400, url
        assert answer["Content-Type"] == "application/problem+json", url
        assert client.get("/admin/").status_code == 200, url


def test_answers_of_the_docs_that_are_no_page_are_json(client: Client) -> None:
    options, wrong = client.options("/docs"), client.put("/docs")
    assert (options.status_code, options["Content-Type"]) == (200, "application/json")
    assert options["Allow"] == "GET, HEAD, OPTIONS"
    assert options.json()["name"] == "Docs"
    assert (wrong.status_code, wrong["Content-Type"]) == (405, "application/problem+json")
    assert wrong.json()["status"] == 405


def test_what_is_only_read_takes_no_other_method(client: Client) -> None:
    for url in ("/health", "/ready", "/metrics", "/openapi.json", "/docs"):
        for method in ("POST", "PUT", "DELETE", "BREW"):
            answer = client.generic(method, url, b"{}", "application/json")
            said = (answer.status_code, answer["Content-Type"])
            assert said == (405, "application/problem+json"), (method, url)
            assert answer["Allow"].startswith("GET, HEAD"), (method, url)
