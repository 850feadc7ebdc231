"""The URL and form parameters of a request besides its statement, sorted by purpose."""

from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from urllib.parse import parse_qsl

from embedded.gateway.errors import refusal

# The parameters that a server's HTTP handler consumes. Most are not settings of the engine. Those
# in the last line are settings, but only a handler reads them, and each SET costs time on every
# request.
_OWN = frozenset(
    {"query", "database", "default_format", "query_id", "user", "password", "quota_key", "role"}
    | {"wait_end_of_query", "buffer_size", "client_protocol_version", "stacktrace"}
    | {"session_id", "session_timeout", "session_check", "compress", "decompress"}
    | {"enable_http_compression", "cancel_http_readonly_queries_on_client_close"}
    | {"send_progress_in_http_headers", "http_headers_progress_interval_ms"}
)
_OF_QUERY = "param_"


@dataclass(frozen=True)
class Parameters:
    """Parameters of the HTTP interface, settings of the engine, and values for `{x:Type}`."""

    own: Mapping[str, str]
    settings: Mapping[str, str]
    values: Mapping[str, str]

    def flag(self, name: str) -> bool:
        return self.own.get(name, "0") not in ("", "0", "false")


def parse(query_string: str, form: Mapping[str, str]) -> Parameters:
    """Sort URL and form fields. Raises EngineError for what this gateway can't do."""
    try:
        url = dict(parse_qsl(query_string, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise refusal(36, "BAD_ARGUMENTS", "A URL parameter is not UTF-8") from None
    fields = {**url, **form}
    own, settings, values = {}, {}, {}
    for name, value in fields.items():
        if name in _OWN:
            own[name] = value
        elif name.startswith(_OF_QUERY):
            values[name.removeprefix(_OF_QUERY)] = value
        else:
            settings[name] = value
    parameters = Parameters(own, settings, values)
    if parameters.flag("compress") or parameters.flag("decompress"):
        raise refusal(
            48, "NOT_IMPLEMENTED", "compress and decompress are not supported: use HTTP encodings"
        )
    return parameters


def parse_form(body: bytes, content_type: str) -> dict[str, str]:
    """Text fields of a multipart form, which clients use for parameters too long for a URL."""
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    if not form.is_multipart():
        raise refusal(36, "BAD_ARGUMENTS", "The multipart form is malformed")
    fields = {}
    for part in form.walk():
        if part.is_multipart():
            continue
        name = part.get_param("name", header="Content-Disposition")
        if part.get_filename() is not None or not isinstance(name, str):
            raise refusal(48, "NOT_IMPLEMENTED", "External tables are not supported")
        fields[name] = _text(bytes(part.get_payload(decode=True)))
    return fields


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise refusal(36, "BAD_ARGUMENTS", "A form field is not UTF-8") from None
