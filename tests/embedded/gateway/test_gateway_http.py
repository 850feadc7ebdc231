"""The wire: bodies that break off, encodings nobody knows, clients that misbehave."""

import gzip
import re
import socket
import zlib
from collections.abc import Iterator

import lz4.frame
import pytest
import zstandard

from tests.embedded.gateway import Gateway

LINES = b"".join(b'{"n": %d}\n' % n for n in range(20_000))
INSERT = "/?query=INSERT%20INTO%20wire%20FORMAT%20JSONEachRow"
PACKERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
    "lz4": lz4.frame.compress,
}


@pytest.fixture(autouse=True)
def _table(gateway: Gateway) -> Iterator[None]:
    gateway.post(b"CREATE TABLE wire (n UInt64) ENGINE = MergeTree ORDER BY n")
    yield
    gateway.post(b"DROP TABLE wire SYNC")


def talk(gateway: Gateway, *parts: bytes, end: bool = True) -> bytes:
    """Send bytes as they are, say no more if `end`, and read what comes until the close."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_a_compressed_body_cut_short_inserts_nothing(
    gateway: Gateway, encoding: str, kept: float
) -> None:
    packed = PACKERS[encoding](LINES)
    answer = gateway.post(packed[: int(len(packed) * kept)], INSERT, content_encoding=encoding)
    assert answer.status == 400
    assert b"cut short" in answer.body
    assert gateway.value("SELECT count() FROM wire") == "0"


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_second_frame_cut_short_inserts_nothing(gateway: Gateway, encoding: str) -> None:
    packed = PACKERS[encoding](LINES)
    answer = gateway.post(packed + packed[:-5], INSERT, content_encoding=encoding)
    assert answer.status == 400
    assert gateway.value("SELECT count() FROM wire") == "0"


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_body_that_is_not_what_its_header_says(gateway: Gateway, encoding: str) -> None:
    answer = gateway.post(LINES, INSERT, content_encoding=encoding)
    assert answer.status == 400
    assert f"The {encoding} body is corrupt".encode() in answer.body
    assert gateway.value("SELECT count() FROM wire") == "0"


def test_an_unknown_encoding_is_named(gateway: Gateway) -> None:
    answer = gateway.post(LINES, INSERT, content_encoding="snappy")
    assert (answer.status, answer.code) == (415, 89)
    assert b"'snappy'" in answer.body


def test_a_body_shorter_than_its_length_inserts_nothing(gateway: Gateway) -> None:
    head = f"POST {INSERT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode()
    assert b"400" in talk(gateway, head, LINES[:5000]).splitlines()[0]
    assert gateway.value("SELECT count() FROM wire") == "0"


@pytest.mark.parametrize(
    "chunks",
    [
        b'a\r\n{"n": 1}\n\r\n',
        b'a\r\n{"n": 1}\n\r\n20\r\n{"n":',
        b'a\r\n{"n": 1}\n\r\nnonsense\r\n',
        b'a\r\n{"n": 1}\n\r\n-1\r\n',
        b'5\r\n{"n": 1}\n\r\n0\r\n\r\n',
        b'a\r\n{"n": 1}\n\r\n0\r\n',
    ],
)
def test_chunks_cut_short_or_malformed_insert_nothing(gateway: Gateway, chunks: bytes) -> None:
    head = f"POST {INSERT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert b"400" in talk(gateway, head, chunks).splitlines()[0]
    assert gateway.value("SELECT count() FROM wire") == "0"


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nno colon\r\n\r\n",
        b"what is this\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_malformed_http_is_a_client_error(gateway: Gateway, head: bytes) -> None:
    assert re.search(rb"\b4\d\d\b", talk(gateway, head))
    assert gateway.value("SELECT 1") == "1"


def test_a_refused_body_is_read_so_that_its_answer_arrives(gateway: Gateway) -> None:
    target = "/?query=INSERT%20INTO%20absent%20FORMAT%20JSONEachRow"
    answer = gateway.post(LINES * 100, target)
    assert (answer.status, answer.code) == (404, 60)
    answer = gateway.post(LINES * 100, target, content_encoding="snappy")
    assert answer.code == 89


def test_one_connection_serves_requests_after_an_error(gateway: Gateway) -> None:
    def request(sql: bytes) -> bytes:
        return b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(sql), sql)

    answers = talk(gateway, request(b"SELEC"), request(b"SELECT 41 + 1"))
    assert answers.count(b"HTTP/1.1 ") == 2
    assert answers.endswith(b"\r\n\r\n42\n")


def test_a_web_page_may_not_use_the_interface(gateway: Gateway) -> None:
    answer = gateway.post(b"DROP TABLE wire", origin="http://evil.example")
    assert answer.status == 403
    assert gateway.value("EXISTS wire") == "1"


def test_other_paths_are_not_found(gateway: Gateway) -> None:
    assert gateway.request("GET", "/nothing").status == 404
    assert gateway.request("POST", "/nothing", b"SELECT 1").status == 404
    assert gateway.request("HEAD", "/ping").status == 200


def test_what_is_not_supported_is_refused(gateway: Gateway) -> None:
    for parameter in ("compress=1", "decompress=1"):
        assert gateway.post(b"SELECT 1", f"/?{parameter}").status == 501
    form = b'--b\r\nContent-Disposition: form-data; name="t"; filename="t"\r\n\r\n1\r\n--b--\r\n'
    answer = gateway.post(form, content_type="multipart/form-data; boundary=b")
    assert (answer.status, answer.body.count(b"External tables")) == (501, 1)


def test_bytes_that_are_no_text_in_the_url_are_refused(gateway: Gateway) -> None:
    assert gateway.post(b"SELECT {x:String}", "/?param_x=%FF").status == 400


def test_bytes_of_a_query_arrive_as_they_are(gateway: Gateway) -> None:
    assert gateway.post(b"SELECT hex('\xff\x00')").body == b"FF00\n"
