"""Reading a request's body: encodings, limits, and what is broken."""

import gzip
import io
import zlib

import pytest
import zstandard
from django.test import Client

from config.api.problems import Problem
from config.memory import room
from config.memory.room import MAX_BODY_BYTES
from events.ingest.request_body import read_body, require_length

TEXT = b'{"events": []}' * 10_000


def read(data: bytes, encoding: str = "") -> bytes:
    headers = {"HTTP_CONTENT_ENCODING": encoding, "CONTENT_LENGTH": str(min(1, len(data)))}
    return read_body(io.BytesIO(data), headers)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def raw_deflate_that_looks_wrapped(data: bytes) -> bytes:
    """Its first byte is that of zlib's wrapper: a stored block whose padding is not zero."""
    head, length = b"\x08", len(data).to_bytes(2, "little")
    complement = bytes(255 - byte for byte in length)
    return head + length + complement + data + raw_deflate(b"")


def zstd(data: bytes) -> bytes:
    return zstandard.compress(data)


COMPRESSED = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("deflate", zlib.compress, id="deflate"),
    pytest.param("deflate", raw_deflate, id="deflate-without-wrapper"),
    pytest.param("zstd", zstd, id="zstd"),
]


def test_a_plain_body_is_read_as_it_is() -> None:
    assert read(TEXT) == TEXT
    assert read(TEXT, "identity") == TEXT
    assert read(b"") == b""


@pytest.mark.parametrize(("encoding", "pack"), COMPRESSED)
def test_a_compressed_body_is_unpacked(encoding: str, pack) -> None:  # type: ignore[no-untyped-def]
    assert read(pack(TEXT), encoding) == TEXT
    assert read(pack(TEXT), encoding.upper()) == TEXT


def test_a_bare_stream_is_told_from_a_wrapped_one_by_both_bytes_of_the_head() -> None:
    assert read(raw_deflate_that_looks_wrapped(b"[]"), "deflate") == b"[]"
    with pytest.raises(Problem, match="not valid deflate"):
        read(b"x", "deflate")


def test_gzip_is_not_said_of_what_has_another_wrapper() -> None:
    with pytest.raises(Problem, match="not valid gzip"):
        read(zlib.compress(TEXT), "gzip")


@pytest.mark.parametrize(("encoding", "pack"), [COMPRESSED[0], COMPRESSED[3]])
def test_members_in_a_row_are_one_body(encoding: str, pack) -> None:  # type: ignore[no-untyped-def]
    assert read(pack(TEXT) + pack(TEXT), encoding) == TEXT * 2


@pytest.mark.parametrize(("encoding", "pack"), [COMPRESSED[0], COMPRESSED[1], COMPRESSED[3]])
def test_ten_thousand_members_are_read_and_one_more_is_not(encoding: str, pack) -> None:  # type: ignore[no-untyped-def]
    """A million empty ones fit into a body, and each takes its time."""
    assert read(pack(b"[") + pack(b"") * 9_998 + pack(b"]"), encoding) == b"[]"
    with pytest.raises(Problem, match="more than 10000 members") as caught:
        read(pack(b"[") + pack(b"") * 9_999 + pack(b"]"), encoding)
    assert caught.value.status_code == 400


@pytest.mark.parametrize(("encoding", "pack"), COMPRESSED)
def test_a_truncated_body_is_refused(encoding: str, pack) -> None:  # type: ignore[no-untyped-def]
    for cut in (1, 4, 9):
        with pytest.raises(Problem, match=f"not valid {encoding}") as caught:
            read(pack(TEXT)[:-cut], encoding)
        assert caught.value.status_code == 400


def test_a_body_that_is_whole_but_shorter_than_was_said_is_refused() -> None:
    """Its client may have left, and nothing says that what is there is all there was to be."""
    with pytest.raises(Problem, match="shorter than its Content-Length") as caught:
        read_body(io.BytesIO(b"[]"), {"CONTENT_LENGTH": "3"})
    assert caught.value.status_code == 400
    assert read_body(io.BytesIO(b"[]"), {"CONTENT_LENGTH": "2"}) == b"[]"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_body_in_another_encoding_than_said_is_refused(encoding: str) -> None:
    with pytest.raises(Problem, match=f"not valid {encoding}") as caught:
        read(TEXT, encoding)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("encoding", ["", " ", ",", "identity", " , identity"])
def test_an_empty_content_encoding_is_identity(encoding: str) -> None:
    assert read(TEXT, encoding) == TEXT


@pytest.mark.parametrize("encoding", ["gzip,", "x-gzip", ", GZIP"])
def test_other_spellings_of_gzip_are_gzip(encoding: str) -> None:
    assert read(gzip.compress(TEXT), encoding) == TEXT


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("", b""),
        ("gzip", b""),
        ("br", b""),
        ("gzip", gzip.compress(b"", mtime=0)),
        ("zstd", zstd(b"")),
    ],
)
def test_zero_bytes_are_said_plainly(client: Client, encoding: str, data: bytes) -> None:
    answer = client.post(
        "/events", data, content_type="application/json", HTTP_CONTENT_ENCODING=encoding
    )
    assert (answer.status_code, answer.json()["detail"]) == (400, "The body is empty.")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x" * 1000])
def test_an_unknown_encoding_is_named(encoding: str) -> None:
    with pytest.raises(Problem, match="deflate, gzip, identity, zstd") as caught:
        read(TEXT, encoding)
    assert caught.value.status_code == 415
    assert f"Content-Encoding {encoding[:40]!r} is" in str(caught.value.detail)


@pytest.mark.parametrize(("encoding", "pack"), [pytest.param("", bytes, id="plain"), *COMPRESSED])
def test_the_limit_is_on_what_comes_out(encoding: str, pack) -> None:  # type: ignore[no-untyped-def]
    assert len(read(pack(bytes(MAX_BODY_BYTES)), encoding)) == MAX_BODY_BYTES
    with pytest.raises(Problem) as caught:
        read(pack(bytes(MAX_BODY_BYTES + 1)), encoding)
    assert caught.value.status_code == 413


def test_a_body_that_there_is_no_room_for_can_be_sent_again() -> None:
    share = room.Share(room.Room(1_000_000), 0)
    with room.held(share), pytest.raises(Problem, match="Send it again") as caught:
        read(bytes(10 * room.MIB))
    assert caught.value.status_code == 503
    assert caught.value.headers == {"Retry-After": "1"}


def gzip_bomb(pieces: int) -> bytes:
    """One stream of so many times ten million zeros; to pack each of them takes long."""
    packer, zeros = zlib.compressobj(wbits=16 + zlib.MAX_WBITS), bytes(10**7)
    # After a full flush a piece refers to nothing before it, so it may follow itself.
    first, piece = (packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + piece * (pieces - 1)


def test_a_bomb_is_noticed_before_it_has_grown() -> None:
    assert len(zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(gzip_bomb(3))) == 3 * 10**7
    bombs = {"gzip": gzip_bomb(100), "zstd": zstd(bytes(10**9))}
    for encoding, bomb in bombs.items():
        stream = io.BytesIO(bomb)
        with pytest.raises(Problem, match="decodes to more"):
            read_body(stream, {"HTTP_CONTENT_ENCODING": encoding, "CONTENT_LENGTH": "1"})
        assert stream.tell() < len(bomb) / 5, "most of the bomb was read before it was refused"


def test_a_frame_that_asks_for_a_huge_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(Problem, match="not valid zstd"):
        read(packer.compress(TEXT) + packer.flush(), "zstd")


def test_a_chunked_body_is_asked_to_say_its_length(client: Client) -> None:
    with pytest.raises(Problem) as caught:
        require_length({"HTTP_TRANSFER_ENCODING": "chunked"})
    assert caught.value.status_code == 411
    headers = {"Transfer-Encoding": "chunked"}
    answer = client.generic("POST", "/events", content_type="application/json", headers=headers)
    assert answer.status_code == 411
