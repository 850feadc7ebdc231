"""Engine errors: ClickHouse's code, name and text, and the HTTP status a server gives them."""

import re
from http import HTTPStatus

# As `exceptionCodeToHTTPStatus` of a ClickHouse server maps them; everything else is a 500.
_STATUS_BY_NAME = {
    HTTPStatus.BAD_REQUEST: (
        "BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE "
        "CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER "
        "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6 "
        "CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_UUID CANNOT_READ_ALL_DATA "
        "CANNOT_SCHEDULE_TASK DUPLICATE_COLUMN ILLEGAL_COLUMN ILLEGAL_TYPE_OF_ARGUMENT "
        "INCORRECT_DATA ILLEGAL_COLUMN_FOR_FILTER SYNTAX_ERROR TYPE_MISMATCH "
        "TOO_FEW_ARGUMENTS_FOR_FUNCTION TOO_MANY_ARGUMENTS_FOR_FUNCTION "
        "NUMBER_OF_ARGUMENTS_DOESNT_MATCH UNKNOWN_COMPRESSION_METHOD UNKNOWN_QUERY_PARAMETER "
        "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE UNEXPECTED_END_OF_FILE ZLIB_INFLATE_FAILED "
        "ZSTD_DECODER_FAILED LZ4_DECODER_FAILED"
    ),
    HTTPStatus.FORBIDDEN: "ACCESS_DENIED READONLY",
    HTTPStatus.NOT_FOUND: (
        "UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE "
        "UNKNOWN_DATABASE UNKNOWN_SETTING UNKNOWN_FORMAT UNKNOWN_AGGREGATE_FUNCTION "
        "NO_SUCH_COLUMN_IN_TABLE THERE_IS_NO_COLUMN UNKNOWN_DATABASE_ENGINE "
        "UNKNOWN_TYPE_OF_QUERY UNKNOWN_ELEMENT_IN_AST"
    ),
    HTTPStatus.REQUEST_TIMEOUT: "TIMEOUT_EXCEEDED",
    HTTPStatus.LENGTH_REQUIRED: "HTTP_LENGTH_REQUIRED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    HTTPStatus.NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "TOO_MANY_SIMULTANEOUS_QUERIES",
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
    """Recover code and name from chDB's exception, whose text is all it carries.

    chDB puts words of its own before the engine's text (`Streaming query failed: Code: …`); they
    are cut off. What has no engine text in it is reported as UNKNOWN_EXCEPTION.
    """
    match = _ENGINE_TEXT.search(str(error))
    if match is None:
        return refusal(1002, "UNKNOWN_EXCEPTION", str(error))
    return EngineError(code=int(match[1]), name=match[2], text=str(error)[match.start() :].strip())
