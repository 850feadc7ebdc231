"""The OpenAPI document as it is served; what it says is tested in tests/test_openapi.py."""

from django.test import Client


def test_the_document_is_the_same_whatever_is_asked_for(client: Client) -> None:
    plain = client.get("/openapi.json")
    # drf-spectacular writes the version into a header, which can't have a line break.
    for query in ("version=%0d%0aSet-Cookie:x", "version=2", "lang=uk"):
        answer = client.get(f"/openapi.json?{query}")
        assert (answer.status_code, answer.content) == (200, plain.content)
        assert answer["Content-Type"] == "application/vnd.oai.openapi+json"
