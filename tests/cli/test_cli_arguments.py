"""How the words after ``call`` become arguments."""

from __future__ import annotations

from typing import Any

import pytest

from spapi_async._core.operation import Operation, Parameter, Restriction, UsagePlan
from spapi_async.cli.arguments import find_operation, parse_arguments
from spapi_async.errors import ConfigurationError

GET_THINGS: Operation[Any] = Operation(
    name="things_v1.get_things",
    id="getThings",
    method="GET",
    path="/things/{shopId}",
    usage_plan=UsagePlan(rate=1.0, burst=1),
    restriction=Restriction(mode="optional", data_elements=("buyerInfo",)),
    parameters=(
        Parameter(name="shop_id", wire_name="shopId", location="path", type="str", encoding="segment", required=True),
        Parameter(name="seller_skus", wire_name="SellerSKUs", location="query", type="Sequence[str]", encoding="csv"),
        Parameter(name="page_size", wire_name="pageSize", location="query", type="int", encoding="plain"),
        Parameter(name="details", wire_name="details", location="query", type="bool", encoding="plain"),
        Parameter(name="body", wire_name="body", location="body", type="m.Body", encoding="json"),
    ),
)


@pytest.mark.parametrize(
    "words", [["s1"], ["--shop_id", "s1"], ["--shop-id", "s1"], ["--shopId", "s1"], ["--shop-id=s1"], ["--SHOPID=s1"]]
)
def test_names_may_be_written_as_in_python_with_dashes_or_as_amazon_does(words: list[str]) -> None:
    """Path parameters need no name."""
    assert parse_arguments(GET_THINGS, words) == {"shop_id": "s1"}


def test_pairs_join_the_words() -> None:
    """``--param name=value`` keeps every ``=`` after the first."""
    assert parse_arguments(GET_THINGS, ["s1"], ["sellerSkus=a=b"]) == {"shop_id": "s1", "seller_skus": ["a=b"]}


@pytest.mark.parametrize("words", [["--seller-skus", "a,1", "--seller-skus", "[b"], ["--seller-skus", '["a,1", "[b"]']])
def test_lists_are_given_by_repetition_or_as_json(words: list[str]) -> None:
    """A comma belongs to the item."""
    assert parse_arguments(GET_THINGS, words) == {"seller_skus": ["a,1", "[b"]}


def test_numbers_and_booleans_are_typed() -> None:
    """All other values stay text."""
    words = ["--page-size", "20", "--details=True"]
    assert parse_arguments(GET_THINGS, words) == {"page_size": 20, "details": True}


def test_a_value_may_begin_with_a_dash() -> None:
    """The word after a name is its value, whatever it looks like."""
    assert parse_arguments(GET_THINGS, ["--shop-id", "--x"]) == {"shop_id": "--x"}


def test_restricted_data_elements_can_be_given() -> None:
    """They are a parameter of the method, not of Amazon's operation."""
    assert parse_arguments(GET_THINGS, ["--data-elements", "buyerInfo"]) == {"data_elements": ["buyerInfo"]}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--colour", "red"], "no parameter 'colour'; its parameters: shop_id"),
        (["--shop-id"], "--shop-id needs a value"),
        (["a", "b"], "unexpected argument 'b'"),
        (["--page-size", "many"], "page_size takes a whole number"),
        (["--details", "1"], "details takes true or false"),
        (["--page-size", "1", "--page-size", "2"], "page_size takes one value"),
        (["--body", "x"], "no parameter 'body'"),
    ],
)
def test_invalid_arguments_are_refused_by_name(words: list[str], complaint: str) -> None:
    """Nothing is sent with an argument that was misread."""
    with pytest.raises(ConfigurationError, match=complaint):
        parse_arguments(GET_THINGS, words)


def test_an_unknown_operation_names_the_most_similar() -> None:
    """A typing mistake needs no search through the list."""
    with pytest.raises(ConfigurationError, match=r"did you mean things_v1\.get_things\?"):
        find_operation({GET_THINGS.name: GET_THINGS}, "things_v1.get_thing")
