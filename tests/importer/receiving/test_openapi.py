"""What the OpenAPI document says of the mapping is what the mapping takes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.columns import FIELDS, MappingError, parse_map
from importer.receiving import openapi

# Pieces that matter to the grammar, so that many of the made texts are almost right.
_PIECES = ["=", "|", ".", " ", "\n", "properties", "properties.", "a", "é", *FIELDS]
_texts = st.lists(st.sampled_from(_PIECES), max_size=5).map("".join)


@given(_texts)
def test_the_pattern_of_map_matches_what_is_taken(text: str) -> None:
    assert (re.search(openapi.MAP, text) is not None) == _is_taken(maps=[text])


@given(_texts)
def test_the_pattern_of_set_matches_what_is_taken(text: str) -> None:
    assert (re.search(openapi.SET, text) is not None) == _is_taken(constants=[text])


def _is_taken(**arguments: list[str]) -> bool:
    try:
        parse_map(**arguments)  # type: ignore[arg-type]
    except MappingError:
        return False
    return True
