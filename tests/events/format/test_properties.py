"""Properties that were checked, as objects."""

import json
import time

import pytest

from events.format.properties import checked, decoded


@pytest.mark.parametrize(
    "text",
    ['{"a":[1,-2.5,1e300,"x",null,true,{}]}', '{"\\u0025":"\\":"}', '{"e":"eeeeeeeee 1e308"}'],
)
def test_an_object_is_what_its_text_says(text: str) -> None:
    assert decoded(checked(text.encode())) == json.loads(text)


def test_an_object_of_numbers_at_which_the_decoder_is_slow_takes_no_longer() -> None:
    def seconds(number: str) -> float:
        text = checked(f'{{"a":[{",".join([number] * 9_000)}]}}'.encode())
        began = time.thread_time()
        assert decoded(text) == {"a": [float(number)] * 9_000}
        return time.thread_time() - began

    usual, slow = (min(seconds(one) for _ in range(3)) for one in ("1.5e10", "1e308"))
    assert slow < 20 * usual


@pytest.mark.parametrize("item", ["1", "{}"])
def test_what_must_be_looked_at_closely_takes_hardly_longer(item: str) -> None:
    def seconds(first: str) -> float:
        text = f'{{"a":["{first}",{",".join([item] * 15_000)}]}}'.encode()
        began = time.thread_time()
        checked(text)
        return time.thread_time() - began

    usual, closely = (min(seconds(one) for _ in range(7)) for one in ("x", "%2E"))
    assert closely < 2.5 * usual
