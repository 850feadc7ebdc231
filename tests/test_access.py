"""Who may do what: every URL by every method, for everybody who may come, against tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from projects.models import Project
from projects.scopes import Role
from tests.factories import ImportFactory
from tests.projects.made_keys import ago, bearer, made, secret
from tests.projects.made_people import browser, member, misled_browser, person
from tests.projects.made_projects import project, put_events
from tests.samples import event
from tests.stored import deliver_all
from tests.urls import UNRESOLVED, every_route, every_url

pytestmark = pytest.mark.usefixtures("stores", "unlimited", "few_series")

# What the requests need. A request names the project `app`, of which the keys and the members are.
NEEDS = """
                               GET     HEAD    POST    PUT     PATCH   DELETE  OPTIONS
/events                        read    read    send    nothing nothing nothing any
/stats/dau                     read    read    unsent  nothing nothing nothing any
/stats/top-events              read    read    unsent  nothing nothing nothing any
/stats/retention               read    read    unsent  nothing nothing nothing any
/stats/trends                  read    read    unsent  nothing nothing nothing any
/stats/cohorts                 read    read    unsent  nothing nothing nothing any
/stats/active-days             read    read    unsent  nothing nothing nothing any
/stats/funnel                  read    read    unsent  nothing nothing nothing any
/stats/dau/users               read    read    unsent  nothing nothing nothing any
/stats/top-events/users        read    read    unsent  nothing nothing nothing any
/stats/retention/users         read    read    unsent  nothing nothing nothing any
/stats/trends/users            read    read    unsent  nothing nothing nothing any
/stats/cohorts/users           read    read    unsent  nothing nothing nothing any
/stats/active-days/users       read    read    unsent  nothing nothing nothing any
/stats/funnel/users            read    read    unsent  nothing nothing nothing any
/event-types                   read    read    unsent  nothing nothing nothing any
/properties                    read    read    unsent  nothing nothing nothing any
/properties/values             read    read    unsent  nothing nothing nothing any
/users                         read    read    unsent  nothing nothing nothing any
/users/<path:user_id>          read    read    unsent  nothing nothing nothing any
/users/<path:user_id>/events   read    read    unsent  nothing nothing nothing any
/segments                      read    read    save    nothing nothing nothing any
/segments/<int:pk>             unread  unread  unsent  remove  nothing remove  any
/projects                      list    list    unsent  nothing nothing nothing any
/imports                       unread  unread  send    nothing nothing nothing any
/imports/<uuid:pk>             watch   watch   unsent  nothing nothing nothing any
/imports/<uuid:pk>/rejected    watch   watch   unsent  nothing nothing nothing any
/health                        open    open    405     405     405     405     open
/ready                         open    open    405     405     405     405     open
/openapi.json                  open    open    405     405     405     405     open
/docs                          open    open    405     405     405     405     open
/metrics                       open    open    405     405     405     405     405
/admin                         302     302     form    form    form    form    302
/                              302     302     unposted unposted unposted unposted 405
/dashboard                     302     302     form    form    form    form    302
/dashboard/                    page    page    unposted unposted unposted unposted 405
/dashboard/trends              page    page    unposted unposted unposted unposted 405
/dashboard/funnel              page    page    unposted unposted unposted unposted 405
/dashboard/retention           page    page    unposted unposted unposted unposted 405
/dashboard/people              page    page    unposted unposted unposted unposted 405
/dashboard/people/one          page    page    unposted unposted unposted unposted 405
/dashboard/live                page    page    unposted unposted unposted unposted 405
/dashboard/overview/panels/headline   page page unposted unposted unposted unposted 405
/dashboard/overview/panels/types      page page unposted unposted unposted unposted 405
/dashboard/overview/panels/newcomers  page page unposted unposted unposted unposted 405
/dashboard/overview/panels/first      page page unposted unposted unposted unposted 405
/dashboard/trends/panels/trend        page page unposted unposted unposted unposted 405
/dashboard/funnel/panels/funnel       page page unposted unposted unposted unposted 405
/dashboard/retention/panels/cohorts   page page unposted unposted unposted unposted 405
/dashboard/people/panels/people       page page unposted unposted unposted unposted 405
/dashboard/people/one/panels/person   page page unposted unposted unposted unposted 405
/dashboard/people/one/panels/timeline page page unposted unposted unposted unposted 405
/dashboard/live/panels/live           page page unposted unposted unposted unposted 405
/dashboard/saved               page    page    fill    unposted unposted unposted 405
/dashboard/saved/<int:pk>      missing missing fill    unposted unposted unposted 405
/dashboard/saved/views/<int:pk>       missing missing fill     unposted unposted unposted 405
/dashboard/saved/views/<int:pk>/panel missing missing unposted unposted unposted unposted 405
/shared/<str:token>                        404 404 unposted unposted unposted unposted 405
/shared/<str:token>/panels/<str:name>      404 404 unposted unposted unposted unposted 405
/shared/<path:path>                        404 404 unposted unposted unposted unposted 405
/dashboard/settings            page    page    settle  unposted unposted unposted 405
/dashboard/settings/panels/limits     page page unposted unposted unposted unposted 405
/dashboard/health              operate operate unposted unposted unposted unposted 405
/dashboard/health/panels/health operate operate unposted unposted unposted unposted 405
/dashboard/overview/panels/headline.svg  page page unposted unposted unposted unposted 405
/dashboard/overview/panels/types.svg     page page unposted unposted unposted unposted 405
/dashboard/overview/panels/newcomers.svg page page unposted unposted unposted unposted 405
/dashboard/trends/panels/trend.svg       page page unposted unposted unposted unposted 405
/dashboard/funnel/panels/funnel.svg      page page unposted unposted unposted unposted 405
/dashboard/retention/panels/cohorts.svg  page page unposted unposted unposted unposted 405
/dashboard/complete            page    page    unposted unposted unposted unposted 405
/dashboard/import              page    page    unposted unposted unposted unposted 405
/dashboard/import/panels/progress watched watched unposted unposted unposted unposted 405
/dashboard/<path:path>         missing missing unposted unposted unposted unposted 405
/login                         open    open    login   unposted unposted unposted 405
/logout                        405     405     leave   unposted unposted unposted 405
"""

# What is answered. `other` is a key, and `outsider` a member, of another project. `misled` is the
# browser of the admin on a page of another site. The views have no method that is `unread`,
# `unsent` or `nothing`. There is nothing to `remove`, to change or to be `watched`, so who may gets
# 404. What they send does not `fill` a form, so who may gets 400.
KEYS_REQUIRED = """
         nobody ingest read both other expired revoked viewer editor admin outsider staff superuser inactive misled
read     401    403    ok   ok   404   401     401     ok     ok     ok    404      ok    ok        401      ok
send     401    ok     403  ok   404   401     401     403    403    ok    404      403   ok        401      403
watch    401    ok     403  ok   404   401     401     403    403    ok    404      403   ok        401      ok
save     401    403    403  403  403   401     401     403    ok     ok    404      403   ok        401      403
remove   401    403    403  403  403   401     401     403    404    404   404      403   404       401      403
list     401    ok     ok   ok   404   401     401     ok     ok     ok    404      ok    ok        401      ok
any      401    ok     ok   ok   ok    401     401     ok     ok     ok    ok       ok    ok        401      ok
unread   401    405    405  405  405   401     401     405    405    405   405      405   405       401      405
unsent   401    405    405  405  405   401     401     405    405    405   405      405   405       401      403
nothing  401    405    405  405  405   401     401     405    405    405   405      405   405       401      403
open     ok     ok     ok   ok   ok    ok      ok      ok     ok     ok    ok       ok    ok        ok       ok
form     403    403    403  403  403   403     403     302    302    302   302      302   302       302      403
405      405    405    405  405  405   405     405     405    405    405   405      405   405       405      405
302      302    302    302  302  302   302     302     302    302    302   302      302   302       302      302
page     302    403    ok   ok   404   401     401     ok     ok     ok    404      ok    ok        302      ok
missing  302    403    404  404  404   401     401     404    404    404   404      404   404       302      404
404      404    404    404  404  404   404     404     404    404    404   404      404   404       404      404
watched  302    404    403  404  404   401     401     403    403    404   404      403   404       302      404
unposted 403    403    403  403  403   403     403     405    405    405   405      405   405       405      403
fill     403    403    403  403  403   403     403     403    400    400   404      403   400       302      403
login    403    403    403  403  403   403     403     ok     ok     ok    ok       ok    ok        ok       403
leave    403    403    403  403  403   403     403     302    302    302   302      302   302       302      403
operate  302    403    403  403  403   401     401     403    403    403   403      ok    ok        302      403
settle   403    403    403  403  403   403     403     403    403    400   404      403   400       302      403
"""  # noqa: E501

NO_KEYS_REQUIRED = """
         nobody ingest read both other expired revoked viewer editor admin outsider staff superuser inactive misled
read     ok     403    ok   ok   404   401     401     ok     ok     ok    ok       ok    ok        ok       ok
send     ok     ok     403  ok   404   401     401     ok     ok     ok    ok       ok    ok        ok       403
watch    ok     ok     403  ok   404   401     401     ok     ok     ok    ok       ok    ok        ok       ok
save     ok     403    403  403  403   401     401     ok     ok     ok    ok       ok    ok        ok       403
remove   404    403    403  403  403   401     401     404    404    404   404      404   404       404      403
list     ok     ok     ok   ok   404   401     401     ok     ok     ok    ok       ok    ok        ok       ok
any      ok     ok     ok   ok   ok    401     401     ok     ok     ok    ok       ok    ok        ok       ok
unread   405    405    405  405  405   401     401     405    405    405   405      405   405       405      405
unsent   405    405    405  405  405   401     401     405    405    405   405      405   405       405      403
nothing  405    405    405  405  405   401     401     405    405    405   405      405   405       405      403
open     ok     ok     ok   ok   ok    ok      ok      ok     ok     ok    ok       ok    ok        ok       ok
form     403    403    403  403  403   403     403     302    302    302   302      302   302       302      403
405      405    405    405  405  405   405     405     405    405    405   405      405   405       405      405
302      302    302    302  302  302   302     302     302    302    302   302      302   302       302      302
page     ok     403    ok   ok   404   401     401     ok     ok     ok    ok       ok    ok        ok       ok
missing  404    403    404  404  404   401     401     404    404    404   404      404   404       404      404
404      404    404    404  404  404   404     404     404    404    404   404      404   404       404      404
watched  404    404    403  404  404   401     401     404    404    404   404      404   404       404      404
unposted 403    403    403  403  403   403     403     405    405    405   405      405   405       405      403
fill     403    403    403  403  403   403     403     400    400    400   400      400   400       400      403
login    403    403    403  403  403   403     403     ok     ok     ok    ok       ok    ok        ok       403
leave    403    403    403  403  403   403     403     302    302    302   302      302   302       302      403
operate  ok     403    403  403  403   401     401     ok     ok     ok    ok       ok    ok        ok       ok
settle   403    403    403  403  403   403     403     403    403    400   404      403   400       302      403
"""  # noqa: E501

# What asks for the token of a form, which nobody has here without a session.
OF_FORMS = ("unposted", "fill", "login", "leave", "settle")
FUNNEL = "from=2026-01-01&to=2026-01-02&step=event_type:a&step=event_type:b"
QUERIES = {
    "/stats/dau": "from=2026-01-01&to=2026-01-02",
    "/stats/top-events": "from=2026-01-01&to=2026-01-02",
    "/stats/retention": "start_date=2026-01-01",
    "/stats/trends": "from=2026-01-01&to=2026-01-02",
    "/properties/values": "path=plan",
    "/stats/cohorts": "from=2026-01-01&to=2026-01-02",
    "/stats/active-days": "from=2026-01-01&to=2026-01-02",
    "/stats/funnel": FUNNEL,
    "/stats/dau/users": "from=2026-01-01&to=2026-01-02",
    "/stats/top-events/users": "from=2026-01-01&to=2026-01-02",
    "/stats/retention/users": "start_date=2026-01-01&at=2026-01-05",
    "/stats/trends/users": "from=2026-01-01&to=2026-01-02",
    "/stats/cohorts/users": "from=2026-01-01&to=2026-01-02&at=2026-01-01",
    "/stats/active-days/users": "from=2026-01-01&to=2026-01-02",
    "/stats/funnel/users": FUNNEL,
    "/dashboard/complete": "kind=segment",
    "/dashboard/funnel/panels/funnel.svg": FUNNEL,
    "/dashboard/people/one/panels/person": "id=u1",
    "/dashboard/people/one/panels/timeline": "id=u1",
}
# Needs of methods that are alike at nearly every URL.
EVERYWHERE = {"unsent", "unposted", "nothing", "any", "405"}
ONE_IN = 4
ADMIN, LOGIN, LOGOUT = "/admin/", "/admin/login/", "/admin/logout/"


def table(text: str) -> dict[str, dict[str, str]]:
    columns, *rows = [line.split() for line in text.strip().splitlines()]
    return {name: dict(zip(columns, cells, strict=True)) for name, *cells in rows}


@pytest.fixture
def unlimited(settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = settings.LOGIN_LIMIT_PER_MINUTE = 0


@pytest.fixture
def app() -> Iterator[Project]:
    with project("app") as made:
        yield made


@pytest.fixture
def everybody(app: Project) -> Iterator[dict[str, Client]]:
    """A client of each column."""
    admin = member("admin", app)
    with project("other") as other:
        keys = {
            "ingest": secret("ingest", project=app),
            "read": secret("read", project=app),
            "both": secret(project=app),
            "other": secret(project=other),
            "expired": secret(project=app, expires_at=ago(hours=1)),
            "revoked": revoked(app),
        }
        people = {
            **{role: member(role, app) for role in ("viewer", "editor")},
            "admin": admin,
            "outsider": member("admin", other),
            "staff": person(is_staff=True),
            "superuser": person(is_superuser=True),
            "inactive": member("admin", app),
        }
        clients = {
            "nobody": without_session(),
            **{name: without_session(**bearer(key)) for name, key in keys.items()},
            **{name: browser(user) for name, user in people.items()},
            "misled": misled_browser(admin),
        }
        people["inactive"].is_active = False
        people["inactive"].save()
        yield clients


def without_session(**headers: str) -> Client:
    return Client(enforce_csrf_checks=True, raise_request_exception=False, headers=headers)


def revoked(project: Project) -> str:
    row, key = made(project=project)
    type(row).objects.filter(pk=row.pk).update(revoked_at=ago(seconds=1))
    return key


@pytest.fixture
def uploaded(app: Project, tmp_path: Path) -> str:
    """The id of an import that has rejected rows."""
    file = tmp_path / "rejected.csv"
    file.write_text("line,reason,raw\n")
    return str(ImportFactory.create(project=app, upload=True, rejected_path=str(file)).pk)


@pytest.fixture
def known(app: Project) -> str:
    """The id of a user who has an event."""
    put_events(app.pk, [event(user_id="u1")])
    deliver_all()
    return "u1"


def answered(client: Client, method: str, url: str) -> str:
    body = json.dumps(event()) if url.startswith("/imports") else "[]"
    if url.startswith("/segments"):
        body = json.dumps({"name": str(uuid4()), "text": "segment=event_type:buy"})
    answer = client.generic(method, url, body, "application/json")
    answer.close()
    return "ok" if answer.status_code in range(200, 300) else str(answer.status_code)


def test_the_table_has_every_url_but_those_of_the_admin() -> None:
    routes = {*UNRESOLVED, *(route for route, _ in every_route())}
    assert {route for route in routes if not route.startswith(ADMIN)} == table(NEEDS).keys()


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        pytest.param(True, KEYS_REQUIRED, id="keys required"),
        pytest.param(False, NO_KEYS_REQUIRED, id="no keys required"),
    ],
)
def test_everybody_may_do_what_the_tables_say(
    required: bool,
    expected: str,
    everybody: dict[str, Client],
    uploaded: str,
    known: str,
    settings: Any,
) -> None:
    settings.API_KEYS_REQUIRED = required
    wrong, asked = [], 0
    for number, (route, needs) in enumerate(table(NEEDS).items()):
        url = route.replace("<uuid:pk>", uploaded).replace("<int:pk>", "0")
        url = url.replace("<path:user_id>", known).replace("<path:path>", "nothing")
        url = url.replace("<str:token>", "nothing").replace("<str:name>", "nothing")
        query = "&".join(filter(None, [QUERIES.get(route), "project=app"]))
        for turn, (method, need) in enumerate(needs.items(), number):
            row = table(expected)[need]
            is_told_apart = required and method != "HEAD" and need not in EVERYWHERE
            is_usual = need in EVERYWHERE or (need in ("read", "page") and not is_told_apart)
            some = one_of_each(row, turn) if is_usual else asking(row, turn, is_told_apart)
            for who in some:
                got = answered(everybody[who], method, f"{url}?{query}")
                asked += 1
                if got != row[who]:
                    wrong.append(f"{method} {url} by {who}: {got} and not {row[who]}")
    assert not wrong, "\n".join(wrong)
    assert asked > 1_400


def one_of_each(row: dict[str, str], turn: int) -> list[str]:
    """Of all who get the same answer one asks, another one at each turn."""
    alike: dict[str, list[str]] = {}
    for who, status in row.items():
        alike.setdefault(status, []).append(who)
    return [some[turn % len(some)] for some in alike.values()]


def asking(row: dict[str, str], turn: int, are_all_refused: bool) -> list[str]:
    """Some ask, other ones at each turn, and perhaps all who are refused besides.

    All would make ten thousand requests, and those that are answered take long.
    """
    return [
        who
        for number, (who, status) in enumerate(row.items(), turn)
        if number % ONE_IN == 0 or (are_all_refused and status != "ok")
    ]


def test_who_is_logged_in_loses_no_right_where_no_key_is_required() -> None:
    for name, row in table(NO_KEYS_REQUIRED).items():
        if name in OF_FORMS:
            continue
        people = [row[who] for who in (*Role.values, "outsider", "staff", "superuser", "inactive")]
        assert set(people) in ({row["nobody"]}, {"302"}), row


@pytest.mark.parametrize(
    ("who", "one_in"), [("nobody", 1), ("both", 3), ("admin", 1), ("inactive", 3)]
)
def test_the_admin_is_for_the_staff(everybody: dict[str, Client], who: str, one_in: int) -> None:
    """Those who are as strange to every page as others of these ask for some of the pages."""
    client, asked = everybody[who], 0
    has_token = who in ("admin", "inactive")
    pages = [url for url in every_url() if url.startswith(ADMIN) and url != LOGIN]
    for url in {*pages[::one_in], LOGOUT}:
        asked += 1
        page = client.get(url)
        assert page.status_code == 302, url
        assert page["Location"].startswith(ADMIN if url == LOGOUT else f"{LOGIN}?next="), url
        sent = client.post(url)
        # Without a token it is refused, or sent to the login before the token is looked at.
        assert sent.status_code == 302 or (sent.status_code == 403 and not has_token), url
        assert sent.headers.get("Location", ADMIN).startswith(ADMIN), url
    assert asked > 150 / one_in
    assert client.get(LOGIN).status_code == 200
