"""How text becomes rows with line numbers, and which files are refused."""

import gzip
from pathlib import Path

import pytest
import zstandard

from importer.reading.chunks import CHUNK_CHARACTERS, CHUNK_ROWS, Chunk, FileRefused
from tests.importer.reading.formats import HEADER, chunks, written


def read(folder: Path, content: str | bytes) -> Chunk:
    """All of a file that fits into one chunk."""
    [chunk] = chunks(written(folder, content))
    return chunk


@pytest.mark.parametrize(
    "content",
    [
        HEADER + "id,at,user,type,{}\n",
        HEADER + "id,at,user,type,{}",
        "\ufeff" + HEADER + "id,at,user,type,{}\n",
        (HEADER + "id,at,user,type,{}\n").replace("\n", "\r\n"),
        (HEADER + "id,at,user,type,{}\n").replace("\n", "\r"),
        HEADER.replace(",", ";") + "id;at;user;type;{}\n",
        HEADER.replace(",", "\t") + "id\tat\tuser\ttype\t{}\n",
        (HEADER + "id,at,user,type,{}\n").encode("utf-16"),
        (HEADER + "id,at,user,type,{}\n").encode("utf-16-le"),
        (HEADER + "id,at,user,type,{}\n").encode("utf-16-be"),
        gzip.compress((HEADER + "id,at,user,type,{}\n").encode()),
        zstandard.compress((HEADER + "id,at,user,type,{}\n").encode()),
        '"event_id","occurred_at","user_id","event_type","properties"\n"id","at","user","type",{}',
        "Event_ID , OCCURRED_AT,user_id,event_type, properties_json\nid,at,user,type,{}\n",
        "properties,event_type,user_id,occurred_at,event_id\n{},type,user,at,id\n",
    ],
    ids=[
        "LF",
        "no last LF",
        "BOM",
        "CRLF",
        "CR",
        "semicolon",
        "tab",
        "UTF-16",
        "UTF-16 LE without a mark",
        "UTF-16 BE without a mark",
        "gzip",
        "zstd",
        "quoted",
        "spelling",
        "order",
    ],
)
def test_every_usual_form_of_csv_gives_the_same_row(tmp_path: Path, content: str | bytes) -> None:
    chunk = read(tmp_path, content)
    assert (chunk.rows, chunk.lines, chunk.bad) == ([("id", "at", "user", "type", "{}")], [2], [])
    assert sorted(chunk.raws[0]) == ["at", "id", "type", "user", "{}"]


@pytest.mark.parametrize("said", ["sep=;", '"sep=;"', "SEP=;\r", "\ufeffsep=;"])
def test_a_first_line_that_says_the_delimiter_is_obeyed(tmp_path: Path, said: str) -> None:
    header = "event_id;occurred_at;user_id;event_type;properties"
    chunk = read(tmp_path, f'{said}\n{header}\nid;at;user;type;"{{""a"":1,""b"":2}}"\n')
    assert chunk.rows == [("id", "at", "user", "type", '{"a":1,"b":2}')]
    assert chunk.lines == [3]
    [chunk] = chunks(tmp_path / "events.csv", delimiter=";")
    assert chunk.lines == [3]


def test_a_delimiter_that_no_header_shows_may_be_said(tmp_path: Path) -> None:
    header = HEADER.replace(",", "#")
    assert read(tmp_path, f"sep=#\n{header}id#at#user#type#{{}}\n").lines == [3]


def test_without_a_column_for_properties_they_are_empty(tmp_path: Path) -> None:
    chunk = read(tmp_path, "event_id,occurred_at,user_id,event_type\nid,at,user,type\n")
    assert chunk.rows == [("id", "at", "user", "type", "")]


def test_quoted_line_breaks_belong_to_the_row_and_count_as_lines(tmp_path: Path) -> None:
    chunk = read(tmp_path, HEADER + '1,at,"a\nb",type,"{\r\n""k"": 1\r\n}"\n\n2,at,user,type,{}\n')
    assert [row[0] for row in chunk.rows] == ["1", "2"]
    assert chunk.rows[0][2:] == ("a\nb", "type", '{\r\n"k": 1\r\n}')
    assert chunk.lines == [2, 7]


@pytest.mark.parametrize(
    ("lines", "bad"),
    [
        ("1,at,user,type\n", (3, "4 columns, but the header has 5")),
        ("1,at,user,type,{},\n", (3, "6 columns, but the header has 5")),
        ("   \n", (3, "1 columns, but the header has 5")),
        ('1,at,"us"er,type,{}\n', (3, "not well-formed CSV: ',' expected after '\"'")),
        ('1,at,user,type,"{""a"": 1}\n', (3, "not well-formed CSV: unexpected end of data")),
    ],
)
def test_a_broken_row_is_reported_and_its_neighbours_kept(
    tmp_path: Path, lines: str, bad: tuple[int, str]
) -> None:
    good = "0,at,user,type,{}\n"
    chunk = read(tmp_path, HEADER + good + lines + good * 3)
    assert chunk.lines == [2, 4, 5, 6]
    [(line, reason, raw)] = chunk.bad
    assert lines.startswith(",".join(raw)[:5])
    assert line == bad[0]
    assert bad[1] in reason


def test_a_field_may_be_as_long_as_a_row(tmp_path: Path) -> None:
    user = "u" * 900_000
    assert read(tmp_path, HEADER + f"id,at,{user},type,{{}}\n").rows[0][2] == user


def test_a_quote_left_open_costs_its_own_row_only(tmp_path: Path) -> None:
    whole = '{},at,user,type,"{{""n"": 1}}"\n'
    rows = [whole.format(n) for n in range(50)]
    for spoilt in (3, 4, 20, 49):
        rows[spoilt] = rows[spoilt].replace('}"\n', "}\n")
    chunk = read(tmp_path, HEADER + "".join(rows))
    assert [bad.line for bad in chunk.bad] == [5, 6, 22, 51]
    assert len(chunk.rows) == 46


def test_what_is_left_of_a_line_that_is_too_long_never_passes_for_a_row(tmp_path: Path) -> None:
    too_long = f"1,at,user,type,{'x' * 1_100_000}\n"
    chunk = read(tmp_path, HEADER + '"open\n' + too_long + "2,at,user,type,{}\n")
    assert [bad.line for bad in chunk.bad] == [2, 3]
    assert [row[0] for row in chunk.rows] == ["2"]


def test_bytes_that_are_not_utf8_stay_visible_in_their_row(tmp_path: Path) -> None:
    chunk = read(tmp_path, HEADER.encode() + b"1,at,Jos\xe9,type,{}\n2,at,Jos\xc3\xa9,type,{}\n")
    assert [row[2] for row in chunk.rows] == ["Jos\udce9", "José"]


def test_a_long_file_comes_in_chunks_without_a_gap(tmp_path: Path) -> None:
    count = 2 * CHUNK_ROWS + 10
    rows = [f"{n},at,user,type,{{}}\n" if n % 3 else f"{n},short\n" for n in range(count)]
    read = list(chunks(written(tmp_path, HEADER + "".join(rows))))
    assert [len(chunk.rows) + len(chunk.bad) for chunk in read] == [CHUNK_ROWS, CHUNK_ROWS, 10]
    lines = [line for chunk in read for line in (*chunk.lines, *(bad.line for bad in chunk.bad))]
    assert sorted(lines) == list(range(2, count + 2))


def test_large_properties_end_a_chunk_early(tmp_path: Path) -> None:
    row = f"id,at,user,type,{'x' * 100_000}\n"
    read = list(chunks(written(tmp_path, HEADER + row * 100)))
    assert sum(len(chunk.rows) for chunk in read) == 100
    assert all(chunk.characters <= CHUNK_CHARACTERS + 100_000 for chunk in read)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("event_id,occurred_at,event_type,properties\n", "has no user_id;"),
        ("\n\nid,time\n", "has no event_id, occurred_at, user_id, event_type; it is 'id,time'"),
        (HEADER.replace(",", "#"), "it is 'event_id#occurred_at"),
        (HEADER.replace("properties", "propertys"), "unknown column 'propertys'"),
        (HEADER.replace("properties", ""), "unknown column ''"),
        (HEADER.replace("properties", "user_id"), "column 'user_id' appears twice"),
        (HEADER.replace("properties", "properties,properties_json"), "two columns for properties"),
        ('event_id,"occurred_at\n', "does not start with a CSV header"),
        (HEADER.encode("utf-32"), "does not start with a CSV header"),
        (b"PAR1\x15\x04\x15\x90", "is not a complete Parquet file"),
        ("[" + HEADER, "is one JSON array"),
    ],
)
def test_a_file_without_the_right_header_is_refused(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(FileRefused) as refusal:
        list(chunks(path))
    assert str(path) in str(refusal.value)
    assert message in str(refusal.value)


def test_a_header_alone_is_a_file_without_rows(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER) == Chunk()


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "not there.csv"):
        with pytest.raises(FileRefused, match=path.name):
            list(chunks(path))
