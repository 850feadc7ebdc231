"""Engine errors: ClickHouse's code, name and text, and the HTTP status a server gives them."""

import re
from http import HTTPStatus

# The statuses of a ClickHouse server (its exceptionCodeToHTTPStatus). Every other error is a 500.
# Two choices are our own: the last line of the 400s, and the 503 for TOO_MANY_SIMULTANEOUS_QUERIES,
# after which clients try again.
_STATUS_BY_NAME = {
    HTTPStatus.BAD_REQUEST: """
        BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE
        CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER
        CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6
        CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_UUID DUPLICATE_COLUMN ILLEGAL_COLUMN
        UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE THERE_IS_NO_COLUMN TOO_DEEP_AST
        TOO_BIG_AST UNEXPECTED_AST_STRUCTURE SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH
        VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        UNEXPECTED_END_OF_FILE ZLIB_INFLATE_FAILED ZSTD_DECODER_FAILED LZ4_DECODER_FAILED
        """,
    HTTPStatus.FORBIDDEN: "ACCESS_DENIED AUTHENTICATION_FAILED",
    HTTPStatus.NOT_FOUND: """
        UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE
        UNKNOWN_DATABASE UNKNOWN_SETTING UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION
        UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY
        """,
    HTTPStatus.REQUEST_TIMEOUT: "TIMEOUT_EXCEEDED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "UNKNOWN_COMPRESSION_METHOD",
    HTTPStatus.NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: """
        SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK TOO_MANY_SIMULTANEOUS_QUERIES
        """,
}
_STATUS = {name: status for status, names in _STATUS_BY_NAME.items() for name in names.split()}
_ENGINE_TEXT = re.compile(r"Code: (\d+)\. DB::Exception: .*\(([A-Z0-9_]+)\)", re.DOTALL)


class EngineError(Exception):
    """A query that failed: ClickHouse's numeric code, its name, and the text for the client."""

    def __init__(self, *, code: int, name: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.name = name
        self.text = text

    @property
    def status(self) -> HTTPStatus:
        return _STATUS.get(self.name, HTTPStatus.INTERNAL_SERVER_ERROR)


def refusal(code: int, name: str, message: str) -> EngineError:
    """An error of the gateway's own, worded like one of the engine's."""
    return EngineError(
        code=code, name=name, text=f"Code: {code}. DB::Exception: {message} ({name})"
    )


def from_engine(error: Exception) -> EngineError:
    """Read code and name from the text of chDB's exception, which holds nothing else.

    chDB puts its own words before the engine's text (`Streaming query failed: Code: …`); they are
    cut off. A text without the engine's text is reported as UNKNOWN_EXCEPTION.
    """
    match = _ENGINE_TEXT.search(str(error))
    if match is None:
        return refusal(1002, "UNKNOWN_EXCEPTION", str(error))
    return EngineError(code=int(match[1]), name=match[2], text=str(error)[match.start() :].strip())
