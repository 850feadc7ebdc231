"""The throttle of the admin's login: by address, by name, and for whoever counts on neither."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.contrib.auth.models import User
from django.test import Client

PASSWORD = "correct horse battery staple"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _three_a_minute(settings: Any) -> None:
    settings.LOGIN_LIMIT_PER_MINUTE = 3


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def admin() -> None:
    User.objects.create_superuser("admin", password=PASSWORD)


def attempt(
    client: Client, name: str, password: str = "wrong", *, address: str = "9.9.9.9", **headers: str
) -> Any:
    form = {"username": name, "password": password, "next": "/admin/"}
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return client.post("/admin/login/", form, headers=named, REMOTE_ADDR=address)


def statuses(client: Client, names: list[str], **more: Any) -> list[int]:
    return [attempt(client, name, **more).status_code for name in names]


@pytest.mark.usefixtures("admin")
def test_an_address_has_so_many_tries_a_minute(client: Client) -> None:
    assert statuses(client, ["a", "b", "c", "d"]) == [200, 200, 200, 429]
    refused = attempt(client, "admin", PASSWORD)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert b"too many attempts to log in" in refused.content
    assert attempt(client, "admin", PASSWORD, address="8.8.8.8").status_code == 302


@pytest.mark.usefixtures("admin")
def test_the_tries_of_a_name_are_counted_for_all_addresses_together(client: Client) -> None:
    spellings = ["admin", "ADMIN", " admin ", "\uff41\uff44\uff4d\uff49\uff4e"]
    tried = [attempt(client, name, address=f"10.0.0.{n}") for n, name in enumerate(spellings)]
    assert [answer.status_code for answer in tried] == [200, 200, 200, 429]
    # The right password is refused as a wrong one is: the answer tells nothing about it.
    assert attempt(client, "admin", PASSWORD, address="10.0.0.99").status_code == 429


def test_a_forged_forwarding_header_gives_no_new_tries(client: Client, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 0
    forged = [f"1.1.1.{n}" for n in range(4)]
    tried = [attempt(client, f"n{n}", X_Forwarded_For=it) for n, it in enumerate(forged)]
    assert [answer.status_code for answer in tried] == [200, 200, 200, 429]


def test_behind_a_proxy_of_ours_only_what_that_says_counts(client: Client, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    forged = [f"1.1.1.{n}, 7.7.7.7" for n in range(4)]
    tried = [attempt(client, f"n{n}", X_Forwarded_For=it) for n, it in enumerate(forged)]
    assert [answer.status_code for answer in tried] == [200, 200, 200, 429]
    assert attempt(client, "n9", X_Forwarded_For="1.1.1.1, 7.7.7.8").status_code == 200


def test_looking_at_the_form_is_free(client: Client) -> None:
    assert {client.get("/admin/login/").status_code for _ in range(10)} == {200}


def test_login_is_refused_while_tries_cannot_be_counted(client: Client, settings: Any) -> None:
    settings.CACHES = {
        alias: {**cache, "LOCATION": "redis://127.0.0.1:1/0"}
        for alias, cache in settings.CACHES.items()
    }
    answer = attempt(client, "admin", PASSWORD)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert client.get("/admin/login/").status_code == 200


def test_the_log_has_address_and_name_and_no_password(client: Client, lines: list[Any]) -> None:
    name = "\x1b[2Jadmin\n" + "n" * 500
    for _ in range(4):
        attempt(client, name, "hunter2 and more")
    [line] = [line for line in lines if line["event"] == "login_throttled"]
    assert (line["address"], line["limit"], line["log_level"]) == ("9.9.9.9", "address", "warning")
    assert line["name"].startswith("?[2Jadmin?n")
    assert len(line["name"]) == 100
    assert "hunter2" not in str(lines)


def test_a_limit_of_none_lets_everyone_try(client: Client, settings: Any) -> None:
    settings.LOGIN_LIMIT_PER_MINUTE = 0
    assert set(statuses(client, ["admin"] * 10)) == {200}


def test_a_post_without_the_forms_token_is_refused_before_it_counts() -> None:
    client = Client(enforce_csrf_checks=True)
    assert {attempt(client, "admin").status_code for _ in range(5)} == {403}


def test_a_name_made_to_take_long_takes_no_longer_than_another(client: Client) -> None:
    began = time.monotonic()
    attempt(client, "a" + "\u0301" * 200_000 + "\u0327" * 200_000)
    assert time.monotonic() - began < 2


def test_the_whole_network_of_an_ipv6_subscriber_shares_a_limit(client: Client) -> None:
    tried = [attempt(client, f"u{n}", address=f"2001:db8:1:2::{n}") for n in range(4)]
    assert [answer.status_code for answer in tried] == [200, 200, 200, 429]
    assert attempt(client, "u9", address="2001:db8:1:3::1").status_code == 200


@pytest.mark.usefixtures("admin")
def test_failures_and_successes_are_logged_without_the_password(
    client: Client, lines: list[Any]
) -> None:
    attempt(client, "admin", "not-the-password")
    attempt(client, "admin", PASSWORD)
    told = [(one["event"], one["name"], one["address"]) for one in lines if "name" in one]
    assert told == [("login_failed", "admin", "9.9.9.9"), ("logged_in", "admin", "9.9.9.9")]
    assert "not-the-password" not in str(lines)
