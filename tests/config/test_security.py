"""What protects the pages and the start: secret, TLS, headers, Content-Security-Policy."""

import os
import re
import secrets
import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from config.environment import secret_checks
from tests.config.environment.test_settings import environment
from tests.docker import compose
from tests.factories import AdminFactory
from tests.project import PROJECT

GOOD = secrets.token_hex(32)
PRODUCTION = {
    "DJANGO_SECRET_KEY": GOOD,
    "HTTPS_ONLY": "true",
    "TRUSTED_PROXIES": "1",
    "API_KEYS_REQUIRED": "true",
    "ALLOWED_HOSTS": "events.example.com",
}


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SECRET_KEY"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_djangos_checks_of_a_deployment_find_nothing() -> None:
    command = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    done = python(*command, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "no issues (1 silenced)" in done.stdout


def test_the_web_server_does_not_start_without_a_secret() -> None:
    done = python("-c", "import config.wsgi")
    assert done.returncode != 0
    assert "DJANGO_SECRET_KEY is not set" in done.stderr


@pytest.mark.parametrize("value", ["changeme", "insecure-until-set", "a" * 64, "0123456" * 9])
def test_a_weak_secret_stops_every_process_and_is_not_repeated(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DJANGO_SECRET_KEY is too easy") as raised:
        environment(DJANGO_SECRET_KEY=value).secret("DJANGO_SECRET_KEY", length=50)
    assert value not in str(raised.value)


def test_a_random_secret_is_taken() -> None:
    for value in (GOOD, secrets.token_urlsafe(48)):
        assert environment(SECRET=value).secret("SECRET", length=50) == value


def test_a_weak_token_of_the_metrics_stops_every_process() -> None:
    done = python("manage.py", "check", METRICS_TOKEN=(value := "1" * 40))
    assert done.returncode != 0
    assert "METRICS_TOKEN is too easy to guess" in done.stderr
    assert value not in done.stderr


ADDRESSES = {
    "DATABASE_URL": "postgresql://events:{}@postgres:5432/events",
    "REDIS_URL": "redis://:{}@redis:6379/0",
    "RATE_LIMIT_REDIS_URL": "redis://:{}@rate-limit:6379/0",
    "CELERY_BROKER_URL": "redis://:{}@redis:6379/0",
    "CLICKHOUSE_URL": "http://events:{}@clickhouse:8123/events",
}


def secrets_check(**addresses: str) -> subprocess.CompletedProcess[str]:
    """The command that compose starts before the stores."""
    command = compose.services()["check"]["command"]
    assert command[0] == "python"
    return python(*command[1:], **PRODUCTION, **addresses)


def test_stores_with_weak_passwords_are_named_before_they_start() -> None:
    weak = {name: ("events", "changeme-changeme-now")[n % 2] for n, name in enumerate(ADDRESSES)}
    done = secrets_check(**{name: url.format(weak[name]) for name, url in ADDRESSES.items()})
    assert done.returncode != 0
    for name, password in weak.items():
        assert done.stderr.count(f"The password of {name} (") == 1
        assert f" {password}" not in done.stderr


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("password", ["events", "changeme-changeme-now"])
def test_of_several_stores_the_one_with_a_weak_password_is_named(
    name: str, password: str, settings: Any
) -> None:
    for it, url in ADDRESSES.items():
        setattr(settings, it, url.format(password if it == name else GOOD))
    [complaint] = secret_checks.check()
    assert f"The password of {name} (" in complaint.msg
    assert "is too easy to guess" in complaint.msg
    assert password not in complaint.msg.replace(f"{name} (", "")


def test_random_passwords_of_stores_are_no_complaint() -> None:
    done = secrets_check(**{name: url.format(GOOD) for name, url in ADDRESSES.items()})
    assert done.returncode == 0, done.stderr


def test_behind_tls_who_comes_without_it_is_sent_there_but_for_probes(
    client: Client, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 60
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    plain = client.get("/docs")
    assert (plain.status_code, plain["Location"]) == (301, "https://testserver/docs")
    assert client.get("/health").status_code == 200
    secure = client.get("/docs", headers={"X-Forwarded-Proto": "https"})
    assert secure.status_code == 200
    assert secure["Strict-Transport-Security"].startswith("max-age=60")


def test_without_proxies_of_ours_nobody_claims_to_come_by_tls() -> None:
    code = (
        "import config.wsgi; from config import settings; print(settings.SECURE_PROXY_SSL_HEADER)"
    )
    done = python("-c", code, DJANGO_SECRET_KEY=GOOD)  # which is all that the server needs
    assert (done.returncode, done.stdout.strip()) == (0, "None")
    code = code.removeprefix("import config.wsgi; ")
    assert "HTTP_X_FORWARDED_PROTO" in python("-c", code, **PRODUCTION).stdout


def test_a_forged_host_is_refused(client: Client) -> None:
    answer = client.get("/admin/login/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def policy(answer: Any) -> dict[str, str]:
    parts = (part.split(maxsplit=1) for part in answer["Content-Security-Policy"].split(";"))
    return {name: " ".join(rest) for name, *rest in parts}


def test_answers_of_the_api_are_nothing_to_a_browser(client: Client) -> None:
    for path in ("/events?limit=x", "/health", "/nothing", "/openapi.json", "/events-of-mine"):
        answer = client.get(path)
        assert policy(answer) == {"default-src": "'none'", "frame-ancestors": "'none'"}
        assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
def test_the_documentations_page_has_no_script_but_from_here(client: Client) -> None:
    answer = client.get("/docs")
    html = answer.content.decode()
    assert policy(answer)["script-src"] == "'self'"
    assert policy(answer)["connect-src"] == "'self'"
    sources = re.findall(r'<script src="([^"]+)"></script>', html)
    assert html.count("<script") == len(sources) == 3
    for source in sources:
        assert source.startswith("/")
        script: Any = client.get(source)
        assert script.status_code == 200
        script.close()
    assert "/openapi.json" in client.get(sources[-1]).content.decode()


@pytest.mark.django_db
def test_the_admins_pages_have_no_script_among_their_html(client: Client) -> None:
    client.force_login(AdminFactory.create())
    for path in (
        "/admin/",
        "/admin/projects/apikey/",
        "/admin/projects/apikey/add/",
        "/admin/events/propertyschema/add/",
        "/admin/importer/import/add/",
        "/admin/django_celery_beat/periodictask/",
        "/admin/django_celery_beat/periodictask/1/change/",
        "/admin/auth/user/add/",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert policy(answer)["script-src"] == "'self'"
        assert policy(answer)["form-action"] == "'self'"
        assert policy(answer)["frame-ancestors"] == "'none'"
        html = answer.content.decode()
        assert not scripts(html), path
        assert not re.search(r"<[^>]+\son\w+=", html), path
        assert "javascript:" not in html


def scripts(html: str) -> list[str]:
    """Those that a browser would run from the page itself; data is none."""
    tags = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
    return [code for tag, code in tags if code.strip() and "application/json" not in tag]
