"""API keys as their owners and strangers see them: who gets in where, and what the others hear."""

import base64
import json
import secrets
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from events.models import RejectedEvent
from projects import keys
from projects.models import ApiKey
from tests.events.monitoring.exposed import samples
from tests.projects.made_keys import ago, bearer, made, secret
from tests.projects.made_projects import project

pytestmark = pytest.mark.usefixtures("stores", "keys_required")

# Every endpoint of the API with the scope it needs.
UPLOAD = "0191f5a0-0000-4000-8000-000000000000"
FUNNEL = "from=2026-01-01&to=2026-01-02&step=event_type:a&step=event_type:b"
ENDPOINTS = [
    ("POST", "/events", "ingest"),
    ("POST", "/events?wait=true", "ingest"),
    ("GET", "/events", "read"),
    ("HEAD", "/events", "read"),
    ("GET", "/stats/dau?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", "/stats/top-events?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", "/stats/retention?start_date=2026-01-01", "read"),
    ("GET", "/stats/trends?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", "/stats/cohorts?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", "/stats/active-days?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", f"/stats/funnel?{FUNNEL}", "read"),
    ("GET", "/stats/dau/users?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", "/stats/top-events/users?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", "/stats/retention/users?start_date=2026-01-01&at=2026-01-05", "read"),
    ("GET", "/stats/trends/users?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", "/stats/cohorts/users?from=2026-01-01&to=2026-01-02&at=2026-01-01", "read"),
    ("GET", "/stats/active-days/users?from=2026-01-01&to=2026-01-02", "read"),
    ("GET", f"/stats/funnel/users?{FUNNEL}", "read"),
    ("GET", "/event-types", "read"),
    ("GET", "/properties", "read"),
    ("GET", "/properties/values?path=plan", "read"),
    ("GET", "/users", "read"),
    ("GET", "/users/u1", "read"),
    ("GET", "/users/u1/events", "read"),
    ("GET", "/segments", "read"),
    ("POST", "/imports", "ingest"),
    ("GET", f"/imports/{UPLOAD}", "ingest"),
    ("GET", f"/imports/{UPLOAD}/rejected", "ingest"),
]
OPEN = ["/health", "/ready", "/openapi.json", "/docs"]
# A key of any scope may ask for its own project.
ANY_SCOPE = "/projects"
# What no key may do, only people.
OF_PEOPLE = [("POST", "/segments"), ("PUT", "/segments/"), ("DELETE", "/segments/")]


@pytest.fixture
def keys_required(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True


def ask(client: Client, method: str, path: str, headers: dict[str, str] | None = None) -> Any:
    return client.generic(method, path, b"[]", "application/json", headers=headers or {})


def refused(answer: Any, status: int) -> str:
    """The detail of a problem document."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    return str(answer.json()["detail"])


@pytest.mark.parametrize(("method", "path", "scope"), ENDPOINTS)
def test_every_endpoint_asks_for_a_key_of_its_scope(
    client: Client, method: str, path: str, scope: str
) -> None:
    [other] = {"ingest", "read"} - {scope}
    assert ask(client, method, path).status_code == 401
    assert ask(client, method, path, bearer(secret(other))).status_code == 403
    for good in (secret(scope), secret("ingest", "read")):
        assert ask(client, method, path, bearer(good)).status_code not in (401, 403, 500)


def test_the_endpoints_above_are_all_of_them(client: Client) -> None:
    paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    documented = {
        (method.upper(), path.split("{")[0])
        for path, of in paths.items()
        for method in of
        if path not in (*OPEN, ANY_SCOPE, "/metrics")
    }
    asked = {(method, path.partition("?")[0]) for method, path, _ in ENDPOINTS}
    for method, path in documented - {*OF_PEOPLE}:
        assert [one for one in asked if one[0] == method and one[1].startswith(path)], path


def test_a_key_of_any_scope_sees_its_project(client: Client) -> None:
    assert ask(client, "GET", ANY_SCOPE).status_code == 401
    for scope in ("ingest", "read"):
        answer = ask(client, "GET", ANY_SCOPE, bearer(secret(scope)))
        assert answer.json() == [{"slug": "default", "name": "Default"}]


@pytest.mark.parametrize("path", OPEN)
def test_what_machines_and_readers_need_stays_open(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200
    assert client.get(path, headers=bearer("nonsense")).status_code == 200


def test_a_key_comes_in_either_header(client: Client) -> None:
    key = secret("read")
    for headers in (
        bearer(key),
        {"Authorization": f"bearer  {key} "},
        {"Authorization": f"Bearer\t{key}"},
        {"X-API-Key": key},
    ):
        assert client.get("/events", headers=headers).status_code == 200
    both = {**bearer(key), "X-API-Key": key}
    assert client.get("/events", headers=both).status_code == 200


def test_two_different_keys_are_refused(client: Client) -> None:
    headers = {**bearer(secret("read")), "X-API-Key": secret("read")}
    assert "Two different" in refused(client.get("/events", headers=headers), 401)


def test_a_password_for_a_proxy_in_front_is_not_taken_for_a_key(client: Client) -> None:
    basic = {"Authorization": "Basic " + base64.b64encode(b"me:secret").decode()}
    assert "Send an API key" in refused(client.get("/events", headers=basic), 401)
    assert client.get("/events", headers={**basic, "X-API-Key": secret("read")}).status_code == 200


def test_a_key_in_the_query_or_a_cookie_is_none(client: Client) -> None:
    key = secret("read")
    for name in ("api_key", "key", "token", "access_token"):
        assert "Send an API key" in refused(client.get("/events", {name: key}), 401)
        client.cookies[name] = key
    assert client.get("/events").status_code == 401


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ea_",
        "ea_" + "A" * 43,
        "A" * 46,
        "ea_" + "A" * 20_000,
        "ea_" + "é" * 43,
        "' OR 1=1 --",
        "ea_" + "A" * 42 + "\t",
    ],
)
def test_what_is_no_key_of_ours_is_refused_as_any_unknown_one(client: Client, text: str) -> None:
    said = {
        refused(client.get("/events", headers=headers), 401)
        for headers in (bearer(text), {"X-API-Key": text})
    }
    assert said == {"There is no such API key, or it was revoked."}


def test_a_digest_is_no_key(client: Client) -> None:
    row, _ = made("read")
    assert ask(client, "GET", "/events", bearer(row.digest.hex())).status_code == 401
    shown = "ea_" + row.digest.hex()[:43]
    assert ask(client, "GET", "/events", bearer(shown)).status_code == 401


def test_an_unknown_key_and_a_revoked_one_hear_the_same(client: Client) -> None:
    row, key = made("read")
    assert keys.revoke(row)
    unknown = "ea_" + secrets.token_urlsafe(32)
    said = [ask(client, "GET", "/events", bearer(one)) for one in (key, unknown)]
    assert len({refused(answer, 401) for answer in said}) == 1
    assert {answer["WWW-Authenticate"] for answer in said} == {"Bearer"}


def test_an_expired_key_is_told_so(client: Client) -> None:
    key = secret("read", expires_at=ago(seconds=1))
    assert "expired" in refused(client.get("/events", headers=bearer(key)), 401)
    later = secret("read", expires_at=ago(hours=-1))
    assert client.get("/events", headers=bearer(later)).status_code == 200


def test_a_wrong_scope_is_named(client: Client) -> None:
    answer = client.get("/events", headers=bearer(secret("ingest")))
    assert "'read'" in refused(answer, 403)


def test_a_wrong_key_is_refused_also_where_none_is_required(client: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = False
    assert client.get("/events").status_code == 200
    assert client.get("/events", headers=bearer("wrong")).status_code == 401
    assert client.get("/events", headers=bearer(secret("ingest"))).status_code == 403


def test_another_method_is_no_way_around_the_key(client: Client) -> None:
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        assert ask(client, method, "/events").status_code == 401
    assert ask(client, "PUT", "/events", bearer(secret())).status_code == 405


def test_a_refused_request_leaves_nothing_behind(client: Client) -> None:
    client.generic("POST", "/events", b"not JSON", "application/json")
    assert not RejectedEvent.objects.exists()


def test_the_secret_is_nowhere_in_the_database() -> None:
    row, key = made("read")
    stored = ApiKey.objects.filter(pk=row.pk).values().get()
    assert len(key) == 46
    assert stored["prefix"] == key[:9]
    assert not [value for value in stored.values() if key in str(value)]
    assert bytes(stored["digest"]) == keys.digest(key)


def test_secrets_are_all_different() -> None:
    assert len({secret()[9:] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "n" * 101},
        {"scopes": []},
        {"scopes": ["write"]},
        {"rate_limit_per_minute": 0},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**{"name": "x", "scopes": ["read"], **wrong})
    assert not ApiKey.objects.exists()


def test_a_name_is_free_again_when_its_key_is_revoked() -> None:
    row, _ = made(name="website")
    with pytest.raises(ValidationError, match="revoke it first"):
        made(name="website")
    keys.revoke(row)
    made(name="website")


def test_no_more_keys_are_made_than_every_process_can_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 2)
    (first, _), _ = made(), made()
    with pytest.raises(keys.TooManyKeys):
        made()
    keys.revoke(first)
    made()


def test_one_project_does_not_use_up_the_keys_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS_OF_PROJECT", 1)
    first, _ = made()
    with pytest.raises(keys.TooManyKeys, match="the project has 1 keys"):
        made()
    with project("other") as other:
        made(project=other)
    keys.revoke(first)
    made()


def test_a_key_has_a_limit_of_its_own(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    own, other = secret("read", rate_limit_per_minute=3), secret("read")
    answers = [client.get("/events", headers=bearer(own)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit-Policy"] == '"default";q=3;w=60'
    assert "3 requests a minute from one key" in answers[3].json()["detail"]
    assert int(answers[3]["Retry-After"]) > 0
    # The address's bucket is still full; keys without a limit of their own share it.
    shared = [client.get("/events", headers=bearer(other)) for _ in range(2)]
    assert [answer.status_code for answer in shared] == [200, 429]


def test_a_refusal_counts_as_one_of_the_limit_that_it_was_for(
    client: Client, settings: Any
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    own = bearer(secret("read", rate_limit_per_minute=1))
    before = samples(client)
    for headers in (own, own, own, {}, {}):
        client.get("/events", headers=headers)
    after = samples(client)
    hits = {
        limit: after[name] - before.get(name, 0)
        for limit in ("key", "address")
        if (name := f'rate_limit_hits_total{{limit="{limit}"}}') in after
    }
    assert hits == {"key": 2, "address": 1}


def test_a_keys_own_limit_holds_where_addresses_have_none(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 0
    key = secret("read", rate_limit_per_minute=1)
    asked = [client.get("/events", headers=bearer(key)).status_code for _ in range(2)]
    assert asked == [200, 429]


def test_wrong_keys_are_counted_with_their_address(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    expired = secret("read", rate_limit_per_minute=100, expires_at=ago(hours=1))
    keys = [expired, "ea_" + "A" * 43, "nonsense"]
    asked = [client.get("/events", headers=bearer(key)).status_code for key in keys]
    assert asked == [401, 401, 429]


def test_the_document_names_both_headers_and_every_refusal(client: Client) -> None:
    document = json.loads(client.get("/openapi.json").content)
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert (schemes["header"]["in"], schemes["header"]["name"]) == ("header", "X-API-Key")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path in (*OPEN, "/metrics"):
                assert "bearer" not in str(operation.get("security"))
                continue
            assert operation["security"] == [{"bearer": []}, {"header": []}], path
            # No key lacks the scope for its own project.
            refusals = {"401", "429"} if path == ANY_SCOPE else {"401", "403", "429"}
            assert refusals <= set(operation["responses"])


def test_the_document_says_where_keys_are_optional(client: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = False
    document = client.get("/openapi.json").json()
    assert {} in document["paths"]["/events"]["post"]["security"]
