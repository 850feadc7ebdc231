"""The ways in and out: the address of the service, the login and the logout."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from projects.models import Project
from tests.dashboard.read import text
from tests.projects.made_people import browser, member
from tests.projects.test_keyring import postgresql_down

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
BROWSERS = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "leads_to"),
    [
        (BROWSERS, "/dashboard/?project=app"),
        ("*/*", "/dashboard/?project=app"),
        ("", "/dashboard/?project=app"),
        ("application/json", "/openapi.json"),
        ("application/json, text/html;q=0.5", "/openapi.json"),
    ],
)
def test_the_address_of_the_service_leads_to_the_dashboard_or_to_what_machines_read(
    client: Client, accept: str, leads_to: str
) -> None:
    answer = client.get("/?project=app", headers={"Accept": accept})
    assert (answer.status_code, answer["Location"]) == (302, leads_to)
    assert "Accept" in answer["Vary"]


@pytest.fixture
def viewer(settings: Any) -> User:
    settings.API_KEYS_REQUIRED = True
    settings.LOGIN_LIMIT_PER_MINUTE = 2
    made = member("viewer", Project.objects.get(), username="vera")
    made.set_password(PASSWORD)
    made.save()
    return made


def log_in(client: Client, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login", {"username": "vera", "password": password, **more})


@pytest.mark.usefixtures("viewer")
def test_a_member_who_is_not_of_the_staff_logs_in_where_they_were_led_and_out(
    client: Client,
) -> None:
    led = client.get("/dashboard/people?prefix=a")["Location"]
    page = client.get(led)
    assert page.status_code == 200
    assert "unsafe" not in page["Content-Security-Policy"]
    answer = log_in(client, next="/dashboard/people?prefix=a")
    assert answer["Location"] == "/dashboard/people?prefix=a"
    assert "Logged in as vera" in client.get("/dashboard/people?prefix=a").content.decode()
    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/dashboard/").status_code == 302


@pytest.mark.usefixtures("viewer")
def test_nobody_is_led_away_from_the_service(client: Client) -> None:
    assert log_in(client, next="https://evil.example/")["Location"] == "/dashboard/"


@pytest.mark.usefixtures("viewer")
def test_wrong_passwords_are_told_and_limited(client: Client) -> None:
    tried = [log_in(client, "wrong") for _ in range(3)]
    assert [answer.status_code for answer in tried] == [200, 200, 429]
    assert "The name or the password is wrong." in text(tried[0].content.decode())
    assert "too many attempts to log in" in text(tried[2].content.decode())
    assert int(tried[2]["Retry-After"]) > 0


@pytest.mark.usefixtures("viewer")
def test_who_is_refused_can_try_again_without_typing_all_of_it(client: Client) -> None:
    with postgresql_down():
        given = {"username": "ve<ra", "password": PASSWORD, "next": "/dashboard/people"}
        later = client.post("/login", given)
    log_in(client, "wrong")
    too_often = log_in(client, next="/dashboard/people")
    for answer, status, name in ((too_often, 429, "vera"), (later, 503, "ve&lt;ra")):
        assert answer.status_code == status
        assert int(answer["Retry-After"]) > 0
        html = answer.content.decode()
        assert f'value="{name}"' in html
        assert 'name="next" value="/dashboard/people"' in html


def test_a_page_elsewhere_can_log_nobody_out(viewer: User) -> None:
    them = browser(viewer)
    del them.cookies["csrftoken"]
    assert them.post("/logout").status_code == 403
    assert them.get("/dashboard/").status_code == 200
