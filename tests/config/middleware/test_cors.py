"""CORS: pages of the origins that are named may post events, and nothing else."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from config.middleware import cors
from tests.projects.made_keys import bearer, secret
from tests.samples import event

BOTH_WAYS = True

SHOP, STRANGER = "https://shop.example", "https://stranger.example"


@pytest.fixture
def shop(settings: Any) -> None:
    settings.CORS_ORIGINS = [SHOP]


def preflight(client: Client, origin: str, *, method: str = "POST", path: str = "/events") -> Any:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "x-api-key"}
    return client.options(path, headers={"Origin": origin, **asked})


def allowed(answer: Any) -> str | None:
    value: str | None = answer.headers.get("Access-Control-Allow-Origin")
    return value


@pytest.mark.usefixtures("shop")
def test_a_preflight_of_a_page_of_ours_is_answered_without_a_key(
    client: Client, settings: Any
) -> None:
    settings.API_KEYS_REQUIRED = True
    answer = preflight(client, SHOP)
    assert (answer.status_code, answer.content) == (204, b"")
    assert allowed(answer) == SHOP
    assert answer["Access-Control-Allow-Methods"] == "POST"
    headers = answer["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "x-api-key", "content-type", "content-encoding"} <= set(headers)
    assert answer["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "origin",
    [
        *(STRANGER, "null", "http://shop.example", "https://shop.example.evil.example"),
        *("https://evil.shop.example", "https://shop.example:444", "https://SHOP.example"),
    ],
)
def test_another_origin_is_not_let_in(client: Client, origin: str) -> None:
    answer = preflight(client, origin)
    assert allowed(answer) is None
    # Or a cache would give that answer to a page of ours.
    assert answer["Vary"] == "Origin"


@pytest.mark.usefixtures("shop")
def test_nothing_but_posting_events_is_opened(client: Client) -> None:
    assert allowed(preflight(client, SHOP, method="GET")) is None
    assert allowed(preflight(client, SHOP, method="DELETE")) is None
    assert allowed(preflight(client, SHOP, path="/stats/dau")) is None
    assert allowed(preflight(client, SHOP, path="/imports")) is None
    assert allowed(client.get("/events?limit=x", headers={"Origin": SHOP})) is None


@pytest.mark.usefixtures("shop")
def test_a_client_that_asks_for_the_methods_is_no_browser_that_asks_for_leave(
    client: Client,
) -> None:
    answer = client.options("/events", headers={"Origin": SHOP})
    assert (answer.status_code, allowed(answer)) == (200, None)
    assert "POST" in answer["Allow"]
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    assert client.put("/events", headers=asked).status_code == 405


@pytest.mark.usefixtures("shop", "stores")
def test_the_page_may_read_the_answer_and_its_limits(client: Client) -> None:
    headers = {"Origin": SHOP}
    answer = client.post("/events", [event()], content_type="application/json", headers=headers)
    assert answer.status_code == 202
    assert allowed(answer) == SHOP
    assert "RateLimit" in answer["Access-Control-Expose-Headers"]


@pytest.mark.usefixtures("shop")
def test_the_page_may_read_refusals(client: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    settings.RATE_LIMIT_PER_MINUTE = 1
    answers = [client.post("/events", headers={"Origin": SHOP}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 429]
    assert {allowed(answer) for answer in answers} == {SHOP}


def test_any_origin_may_be_let_in(client: Client, settings: Any) -> None:
    settings.CORS_ORIGINS = ["*"]
    answer = preflight(client, STRANGER)
    assert allowed(answer) == "*"
    assert "Vary" not in answer


def test_by_default_no_page_is_allowed(client: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    answer = preflight(client, SHOP)
    assert answer.status_code == 401
    assert allowed(answer) is None


@pytest.mark.parametrize(
    "wrong",
    [
        *("shop.example", "https://shop.example/", "https://shop.example/page"),
        *("https://*.shop.example", "https://shop.example:port", "null", "https://"),
    ],
)
def test_what_is_no_origin_names_the_setting(wrong: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CORS_ORIGINS"):
        cors.origins([SHOP, wrong])


def test_origins_are_taken_as_browsers_write_them() -> None:
    good = [SHOP, "http://localhost:3000", "http://[::1]:8080", "capacitor://localhost", "*"]
    assert cors.origins(good) == good


# --- Without keys


def posted(client: Client, path: str = "/events", **headers: str) -> int:
    """The status of what a page can send without asking before, if it is of `Origin`."""
    types = {"/events": "application/json", "/imports": "text/plain"}
    return client.post(path, "[]", content_type=types[path], headers=headers).status_code


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    "origin",
    [
        *(STRANGER, "null", "http://testserver:1", "http://", ""),
        *("http://eviltestserver", "http://evil.testserver", "http://testserver.evil.example"),
    ],
)
def test_where_no_key_is_required_a_page_of_another_site_may_not_post(
    client: Client, origin: str
) -> None:
    assert [posted(client, path, Origin=origin) for path in ("/events", "/imports")] == [403, 403]


@pytest.mark.usefixtures("stores", "shop")
def test_a_page_of_ours_and_one_of_the_service_itself_may(client: Client, settings: Any) -> None:
    # Refused for what they send, not for who sends it; both posts reach the view.
    assert posted(client, "/imports", Origin="http://testserver") == 400
    assert posted(client, Origin="http://testserver") == posted(client) == 202
    assert posted(client, Origin=SHOP) == 202
    settings.CORS_ORIGINS = ["*"]
    assert posted(client, Origin=STRANGER) == 202


@pytest.mark.usefixtures("stores", "shop")
@pytest.mark.parametrize("origin", ["https://evilshop.example", "http://shop.example"])
def test_a_page_of_a_similar_origin_is_refused(client: Client, origin: str) -> None:
    assert posted(client, Origin=origin) == 403


@pytest.mark.usefixtures("stores", "shop")
def test_files_are_taken_from_no_page_but_the_services_own(client: Client, settings: Any) -> None:
    assert posted(client, "/imports", Origin=SHOP) == 403
    settings.CORS_ORIGINS = ["*"]
    assert posted(client, "/imports", Origin=SHOP) == 403


@pytest.mark.usefixtures("stores")
def test_a_page_that_shows_a_key_may_post(client: Client) -> None:
    key = bearer(secret("ingest"))["Authorization"]
    assert posted(client, Origin=STRANGER, Authorization=key) == 202
