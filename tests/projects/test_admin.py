"""The admin pages of API keys, and the command that makes one without them."""

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from importer.models import Import
from projects import keys
from projects.models import ApiKey
from tests.factories import AdminFactory, ImportFactory
from tests.meanwhile import waiting_for_locks
from tests.pages import page
from tests.projects.made_keys import ago, bearer, made
from tests.waiting import wait_until

KEYS = "/admin/projects/apikey/"
pytestmark = pytest.mark.usefixtures("stores")


def add(client: Client, **fields: Any) -> Any:
    return client.post(
        f"{KEYS}add/", {"project": "1", "name": "website", "scopes": ["ingest"], **fields}
    )


def between(html: str, name: str) -> str:
    [text] = re.findall(rf'<pre id="{name}">([^<]+)</pre>', html)
    return unescape(str(text))


def test_a_new_keys_secret_is_shown_once_with_a_line_to_try_it(admin_client: Client) -> None:
    answer = add(admin_client)
    html = answer.content.decode()
    secret, row = between(html, "secret"), ApiKey.objects.get()
    assert bytes(row.digest) == keys.digest(secret)
    assert between(html, "command") == (
        f"curl 'http://testserver/events' -H 'Authorization: Bearer {secret}'"
        " -H 'Content-Type: application/json' -d '[]'"
    )
    assert "no-store" in answer["Cache-Control"]
    for url in (KEYS, f"{KEYS}{row.pk}/change/", f"{KEYS}{row.pk}/history/", "/admin/"):
        shown = page(admin_client, url)
        assert secret not in shown
        assert row.digest.hex() not in shown
    session: Any = admin_client.session
    assert secret not in str(dict(session))


def test_the_line_of_a_key_that_only_reads_asks_for_an_event(admin_client: Client) -> None:
    html = add(admin_client, scopes=["read"]).content.decode()
    assert between(html, "command").startswith("curl 'http://testserver/events?limit=1' -H ")


def test_a_page_sent_again_makes_no_second_key(admin_client: Client) -> None:
    add(admin_client)
    assert "A key that is not revoked has this name" in add(admin_client).content.decode()
    assert ApiKey.objects.count() == 1


def test_a_double_click_makes_one_key_and_says_so(admin_client: Client) -> None:
    """The second finds no key of its name, and waits for the first, which is not yet committed."""
    with ThreadPoolExecutor() as second, transaction.atomic():
        made(name="website")
        html = second.submit(add_in_a_thread, admin_client)
        wait_until(waiting_for_locks)
    assert "A key that is not revoked has this name" in html.result()
    assert ApiKey.objects.count() == 1


def add_in_a_thread(client: Client) -> str:
    try:
        return str(add(client).content.decode())
    finally:
        connection.close()


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"scopes": []}, {"scopes": ["all"]}, {"rate_limit_per_minute": "0"}]
)
def test_a_key_that_makes_no_sense_is_explained(
    admin_client: Client, wrong: dict[str, Any]
) -> None:
    answer = add(admin_client, **wrong)
    assert "errornote" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_a_key_that_would_open_nothing_is_not_made(admin_client: Client) -> None:
    answer = add(admin_client, expires_at_0="2020-01-01", expires_at_1="00:00:00")
    assert "This moment is past" in answer.content.decode()
    assert not ApiKey.objects.exists()
    assert add(admin_client, expires_at_0="2120-01-01", expires_at_1="00:00:00").status_code == 200
    assert ApiKey.objects.get().state == "active"


def test_a_key_that_has_expired_can_still_be_renamed(admin_client: Client) -> None:
    row, _ = made("read", expires_at=ago(hours=1))
    assert row.expires_at is not None
    day, time = f"{row.expires_at:%Y-%m-%d %H:%M:%S}".split()
    form = {"name": "old", "scopes": ["read"], "expires_at_0": day, "expires_at_1": time}
    url = f"{KEYS}{row.pk}/change/"
    assert admin_client.post(url, form).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.state) == ("old", "expired")
    earlier = admin_client.post(url, {**form, "expires_at_0": "2020-01-01"})
    assert "This moment is past" in earlier.content.decode()


def test_there_can_be_too_many_keys(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projects.keys.MAX_KEYS", 1)
    made()
    assert "revoke some first" in add(admin_client).content.decode()


def test_the_list_shows_what_a_key_may_and_when_it_was_used(admin_client: Client) -> None:
    row, _ = made("ingest", name="website", rate_limit_per_minute=77, expires_at=ago(hours=1))
    ApiKey.objects.update(last_used_at="2026-01-06T12:34:00Z")
    html = page(admin_client, KEYS)
    for text in ("website", row.prefix, "ingest", "77", "expired", "2026-01-06 12:34"):
        assert text in html


def test_a_key_is_revoked_for_good(admin_client: Client) -> None:
    (row, key), (other, _) = made("read"), made("read")
    chosen = {"action": "revoke", "_selected_action": [row.pk]}
    shown = admin_client.post(KEYS, chosen, follow=True).content.decode()
    assert "1 revoked" in shown
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.state, other.state) == ("revoked", "active")
    assert admin_client.get("/events", headers=bearer(key)).status_code == 401
    again = admin_client.post(KEYS, chosen, follow=True).content.decode()
    assert "is already revoked" in again
    form = {"project": "1", "name": "x", "scopes": ["read"]}
    assert admin_client.post(f"{KEYS}{row.pk}/change/", form).status_code == 403


def test_what_a_key_may_is_changed_and_its_secret_stays(admin_client: Client) -> None:
    row, key = made("read", name="reports")
    form = {
        "project": "1",
        "name": "reports",
        "scopes": ["ingest", "read"],
        "rate_limit_per_minute": "5",
    }
    assert admin_client.post(f"{KEYS}{row.pk}/change/", form).status_code == 302
    row.refresh_from_db()
    assert (row.scopes, row.rate_limit_per_minute) == (["ingest", "read"], 5)
    assert bytes(row.digest) == keys.digest(key)


def test_only_those_who_may_see_and_make_keys(client: Client) -> None:
    client.force_login(AdminFactory.create(is_superuser=False))
    assert client.get(KEYS).status_code == 403
    assert add(client).status_code == 403
    assert not ApiKey.objects.exists()


def test_an_admin_gets_rejected_rows_without_a_key(
    admin_client: Client, settings: Any, tmp_path: Path
) -> None:
    settings.API_KEYS_REQUIRED = True
    file = tmp_path / "x.rejected.csv"
    file.write_text("line,reason\n")
    row = ImportFactory.create(upload=True, rejected_path=str(file))
    html = page(admin_client, f"/admin/importer/import/{row.pk}/change/")
    [link] = re.findall(r'<a href="([^"]+)">download</a>', html)
    answer: Any = admin_client.get(link)
    assert b"".join(answer.streaming_content) == b"line,reason\n"
    Import.objects.update(rejected_path="")
    assert admin_client.get(link).status_code == 404
    admin_client.logout()
    assert admin_client.get(link).status_code == 302


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("make_api_key", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_prints_the_secret_alone(client: Client) -> None:
    arguments = ("ci", "--scope", "read", "--scope", "ingest", "--days", "3", "--limit", "100")
    secret = run(*arguments).removesuffix("\n")
    row = ApiKey.objects.get()
    assert bytes(row.digest) == keys.digest(secret)
    assert (row.name, row.scopes, row.rate_limit_per_minute) == ("ci", ["ingest", "read"], 100)
    assert row.expires_at is not None
    assert ago(days=-3, minutes=1) < row.expires_at < ago(days=-3)
    assert client.get("/events", headers=bearer(secret)).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x"], "--scope"),
        (["x", "--scope", "all"], "invalid choice"),
        (["x", "--scope", "read", "--days", "0"], "whole number"),
        (["x", "--scope", "read", "--days", "9" * 30], "whole number"),
        (["x", "--scope", "read", "--limit", "-1"], "whole number"),
        (["x", "--scope", "read", "--days", "000000019999999999"], "whole number"),
        (["n" * 101, "--scope", "read"], "the name: Ensure .* at most 100"),
        (["", "--scope", "read"], "the name: This field cannot be blank"),
        (["taken", "--scope", "read"], "revoke it first"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], said: str) -> None:
    made(name="taken")
    with pytest.raises(CommandError, match=said):
        run(*arguments)


def test_a_list_is_filtered_by_what_its_page_offers_and_nothing_else(admin_client: Client) -> None:
    for url in (
        f"{KEYS}?digest__gt=a",
        f"{KEYS}?prefix__startswith=ea_",
        "/admin/events/rejectedevent/?raw__regex=(a%2B)%2B$",
        "/admin/events/rejectedevent/?code__regex=x",
        "/admin/importer/import/?options__regex=x",
    ):
        assert admin_client.get(url).status_code == 400, url
    assert admin_client.get("/admin/events/rejectedevent/?code__exact=length").status_code == 200
