"""What is wrong with an address, in the words of the page: names of its fields, and what to do.

The API names its parameters, which a reader of a page has never seen.
"""

import re
from collections.abc import Mapping, Sequence

from django.http import HttpRequest
from rest_framework.exceptions import APIException

# The fields of the forms, by their parameters.
_FIELDS = {
    **{"segment": "Only events", "measure": "Measure", "unit": "By", "by": "A line for each"},
    **{"compare": "Compare with", "step": "Steps", "window": "Within", "order": "Order"},
    **{"start": "Who began with", "return": "and came again with", "mode": "in the period"},
    **{"prefix": "Whose id begins with"},
}
_DAYS = {"from": "From", "to": "To"}
# Names of fields that a panel or a page has by itself.
_OWN = {"funnel": {"by": "A funnel for each"}}
_ALTERNATIVE = re.compile(r"or\.\d+")
# Which of several texts is meant.
_NUMBERED = re.compile(r"(?:segment|alternative|step) (\d+): ")
# So much of a text says which one it is.
_LONGEST = 60
# Messages that go on after the name of the field.
_GOES_ON = ("is ", "must ", "contains ")
_PLAIN = (
    (re.compile(r"from is after to"), "the first day is after the last one"),
    (
        re.compile(r"expected field:value \(at character \d+\)"),
        "write a field, a colon and a value, such as event_type:purchase",
    ),
)


def said(request: HttpRequest, refusal: APIException, name: str) -> str:
    """The text for a reader of the page or the panel with this name."""
    errors: Sequence[Mapping[str, str]] = getattr(refusal, "errors", None) or ()
    if not errors:
        return str(refusal.detail)
    return " ".join(_sentence(request, name, it["parameter"], it["message"]) for it in errors)


def advice(refusal: APIException) -> str:
    """What to do about a field that is filled in wrongly; empty if it is something else."""
    errors: Sequence[Mapping[str, str]] = getattr(refusal, "errors", None) or ()
    fields = {_field("", it["parameter"]) for it in errors} - {None}
    if not fields:
        return ""
    # What was chosen as a filter stands beside the others, and its field is empty again.
    is_filter = fields == {_FIELDS["segment"]}
    return f"{'Remove the filter' if is_filter else 'Change it'} at the top of the page."


def may_pass(refusal: APIException) -> bool:
    """Whether the same may be answered a moment later, such as when a store is back."""
    if getattr(refusal, "is_lasting", False):
        return False
    return refusal.status_code == 429 or refusal.status_code >= 500


def _sentence(request: HttpRequest, name: str, parameter: str, message: str) -> str:
    for pattern, plain in _PLAIN:
        message = pattern.sub(plain, message)
    field = _field(name, parameter) or _DAYS.get(parameter)
    if field is None:
        return f"The address of this page is wrong: {parameter} {message}."
    number = _NUMBERED.match(message)
    if number is not None:
        field = f"Step {number[1]}" if parameter == "step" else field
        text = _text(request, parameter, int(number[1]))
        return f"{field}{text}: {message[number.end() :]}."
    return f"{field} {message}." if message.startswith(_GOES_ON) else f"{field}: {message}."


def _field(name: str, parameter: str) -> str | None:
    if _ALTERNATIVE.fullmatch(parameter):
        parameter = "segment"
    return _OWN.get(name, {}).get(parameter) or _FIELDS.get(parameter)


def _text(request: HttpRequest, parameter: str, number: int) -> str:
    """The text that is meant, as it was typed."""
    texts = [text for text in request.GET.getlist(parameter) if text]
    if number > len(texts):
        return ""
    text = texts[number - 1]
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\u2026"
    return f" \u201c{shown}\u201d"
