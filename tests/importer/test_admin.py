"""The admin page of imports."""

from html import unescape

import pytest
from django.test import Client

from tests.factories import AdminFactory, ImportFactory

pytestmark = pytest.mark.django_db

IMPORTS = "/admin/importer/import/"


@pytest.fixture
def admin_client(client: Client) -> Client:
    client.force_login(AdminFactory.create())
    return client


def page(client: Client, url: str, **parameters: str) -> str:
    answer = client.get(url, parameters)
    assert answer.status_code == 200, answer
    return unescape(answer.content.decode())


def test_imports_are_listed_newest_first_with_their_counts(admin_client: Client) -> None:
    ImportFactory.create(path="/data/older.csv")
    ImportFactory.create(path="/data/newer.csv", size=5 * 1024 * 1024, stored=49_123)
    html = page(admin_client, IMPORTS)
    assert html.index("/data/newer.csv") < html.index("/data/older.csv")
    assert "49123" in html
    assert "5.0\xa0MB" in html


def test_an_import_is_found_by_a_part_of_its_path_and_by_its_state(admin_client: Client) -> None:
    ImportFactory.create(path="/data/good.csv")
    ImportFactory.create(path="/data/wrong.csv", state="failed", error="the header has no user_id")
    for parameters in ({"q": "wrong"}, {"state__exact": "failed"}):
        html = page(admin_client, IMPORTS, **parameters)
        assert "/data/wrong.csv" in html
        assert "the header has no user_id" in html
        assert "/data/good.csv" not in html


def test_imports_are_drilled_down_to_by_date(admin_client: Client) -> None:
    row = ImportFactory.create(path="/data/today.csv")
    row.refresh_from_db()
    assert "/data/today.csv" in page(admin_client, IMPORTS, started_at=f"{row.started_at:%Y-%m-%d}")
    assert "/data/today.csv" not in page(admin_client, IMPORTS, started_at="2001-01")


def test_an_import_cannot_be_changed(admin_client: Client) -> None:
    url = f"{IMPORTS}{ImportFactory.create().pk}/change/"
    assert 'name="_save"' not in page(admin_client, url)
    assert admin_client.post(url, {"state": "done"}).status_code == 403
    assert admin_client.get(f"{IMPORTS}add/").status_code == 403
