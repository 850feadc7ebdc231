"""Sums and other measures of numbers: exact, however large or odd the numbers are."""

import json
from decimal import Decimal, localcontext

import pytest
from django.test import Client

from tests.analytics.comparison import deliver
from tests.analytics.trends.asking import RANGE, asked, sent

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")


def test_numbers_without_any_are_null_and_sums_are_0(client: Client) -> None:
    deliver(
        [
            sent("2026-11-02", amount="12 apples"),
            sent("2026-11-02", amount=1e31),
            sent("2026-11-02", amount=2),
        ],
        blocks=1,
    )
    for measure, nothing in [("sum", 0), ("avg", None), ("min", None), ("p50", None)]:
        [line] = asked(client, f"{RANGE}&measure={measure}(properties.amount)")["series"]
        assert line["points"][0]["value"] == nothing
        assert line["points"][0]["values"] == 0
    [line] = asked(client, f"{RANGE}&measure=sum(properties.amount)")["series"]
    assert (line["points"][1]["value"], line["points"][1]["left_out"]) == (2, 1)


def test_whole_doubles_of_any_size_add_up_exactly(client: Client) -> None:
    amounts: list[float | str] = [1e20, "-100000000000000000000", 1e22, 2.0**65 + 2**13, 1.2345e29]
    deliver([sent("2026-11-02", amount=amount) for amount in amounts], blocks=1)
    [line] = asked(client, f"{RANGE}&measure=sum(properties.amount)")["series"]
    assert line["points"][1]["value"] == sum(int(amount) for amount in amounts)


@pytest.mark.parametrize(
    "amounts",
    [
        ["9007199254740993.5", "1000000000000.123456", "-9007199254740993.000001", "1e-7"],
        ["123456789012345678901.5e-1", "1234567890123456789012345678.9012345", "-0.5E-3", "5e-1"],
        [1e15 + 0.5, 2.0**52 + 0.5, -9007199255.75, 2.0**51 + 0.25, -(2.0**50) - 0.125],
    ],
)
def test_fractions_of_large_numbers_add_up_exactly(
    client: Client, amounts: list[float | str]
) -> None:
    deliver([sent("2026-11-02", amount=amount) for amount in amounts], blocks=1)
    answer = client.get(f"/stats/trends?{RANGE}&measure=sum(properties.amount)")
    [line] = json.loads(answer.content, parse_float=Decimal)["series"]
    with localcontext() as context:
        context.prec = 60
        millionth = Decimal("0.000001")
        assert line["total"] == sum(Decimal(amount).quantize(millionth) for amount in amounts)
    assert line["values"] == len(amounts)


def test_a_text_that_no_double_holds_is_no_number_for_anybody(client: Client) -> None:
    beyond = ["1e400", "-1e400", "9" * 400, "1e9999999999999999999"]
    texts = [*beyond, "9" * 38, "1e308", "-1e308", "1e-400", "0e400"]
    deliver([sent("2026-11-02", f"u{n}", amount=it) for n, it in enumerate(texts)], blocks=1)
    for sign, opposite in (("gt", "le"), ("ge", "lt")):
        found = [
            asked(client, f"{RANGE}&segment={one}(properties.amount):5&measure=users")["series"]
            for one in (sign, opposite)
        ]
        assert [line["total"] for [line] in found] == [2, 3]
    for measure in ("sum", "avg", "min", "max", "p50"):
        [line] = asked(client, f"{RANGE}&measure={measure}(properties.amount)")["series"]
        assert line["values"] + line.get("left_out", 0) == 5, measure
    assert line["total"] == 0
    query = f"trends/users?{RANGE}&measure=max(properties.amount)"
    assert client.get(f"/stats/{query}").json()["total"] == 5
    for text in texts:
        for segment in (f"properties.amount:{text}", f"in(properties.amount):{text},x"):
            [line] = asked(client, f"{RANGE}&segment={segment}")["series"]
            assert line["total"] == 1, text
