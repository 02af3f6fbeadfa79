"""How an operation and its arguments become a request."""

import enum
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import pytest
import yarl
from hypothesis import given, settings
from hypothesis import strategies as st

from spapi_async._codec.request import prepare
from spapi_async._core.operation import Constraints, Operation, Parameter, Restriction, UsagePlan
from spapi_async._core.wire import Model, OpenEnum
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace

HOSTILE = "a/b%c+d&e,f;g=h#i?j k!l'm(n)o*p\\q\"é漢🎁"
HOSTILE_TEXT = st.text(alphabet=st.sampled_from("aZ9-._~/%+&,;=#? !'()*\\\"é漢🎁\x00"), min_size=1, max_size=30)


def a_parameter(name: str, encoding: Any = "plain", **facts: Any) -> Parameter:
    """A parameter whose wire name is the camel case of its name."""
    locations: dict[str, Any] = {"segment": "path", "greedy": "path", "header": "header", "json": "body"}
    head, *rest = name.split("_")
    defaults = {"wire_name": head + "".join(map(str.title, rest)), "location": locations.get(encoding, "query")}
    return Parameter(name=name, encoding=encoding, type="str", **{**defaults, **facts})


def an_operation(*parameters: Parameter, path: str = "/things", **facts: Any) -> Operation[Any]:
    """An operation of a made-up API."""
    defaults: dict[str, Any] = {"name": "things_v1.do_thing", "id": "doThing", "method": "GET"}
    plan = UsagePlan(rate=1, burst=1)
    return Operation(path=path, usage_plan=plan, parameters=parameters, **{**defaults, **facts})


def query_of(encoding: str, value: Any, **facts: Any) -> str:
    """The query string of an operation with one parameter."""
    return prepare(an_operation(a_parameter("sku", encoding, **facts)), {"sku": value}).target.partition("?")[2]


def complaint(operation: Operation[Any], arguments: Mapping[str, Any]) -> str:
    """The text of the error."""
    with pytest.raises(ConfigurationError) as caught:
        prepare(operation, arguments)
    return str(caught.value)


ITEM = an_operation(a_parameter("item_id", "segment", required=True), path="/items/{itemId}/offers")


# --- paths -----------------------------------------------------------------------------------------------------------


def test_a_path_segment_is_encoded_byte_by_byte() -> None:
    """Only RFC 3986's unreserved characters stay; the slash and ! ' ( ) * do not."""
    request = prepare(ITEM, {"item_id": "a/b!'()*é~-._"})
    assert request.target == request.path == "/items/a%2Fb%21%27%28%29%2A%C3%A9~-._/offers"


@settings(deadline=None)
@given(sku=HOSTILE_TEXT.filter(lambda text: text not in {".", ".."}))
def test_any_sku_comes_back_from_its_segment(sku: str) -> None:
    """An independent decoder that splits on slashes finds the SKU whole."""
    _, first, segment, last = prepare(ITEM, {"item_id": sku}).target.split("/")
    assert (first, unquote(segment, errors="strict"), last) == ("items", sku, "offers")


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_segments_that_change_the_path_are_refused(segment: str) -> None:
    """An empty SKU would address the collection, dots its parent."""
    assert complaint(ITEM, {"item_id": segment}).startswith("things_v1.do_thing: item_id must not be")


def test_a_greedy_parameter_keeps_its_slashes() -> None:
    """The resource of an upload destination is itself a path."""
    operation = an_operation(a_parameter("resource", "greedy", required=True), path="/uploads/{resource}")
    assert prepare(operation, {"resource": "aplus/2020/a b+c"}).target == "/uploads/aplus/2020/a%20b%2Bc"
    for hostile in ("/aplus", "a//b", "a/../b", "a/."):
        assert "resource must not" in complaint(operation, {"resource": hostile})


def test_a_percent_sign_in_the_template_is_literal() -> None:
    """The template is not a format string."""
    operation = an_operation(a_parameter("item_id", "segment", required=True), path="/100%/{itemId}")
    assert prepare(operation, {"item_id": "x"}).target == "/100%/x"


@settings(deadline=None)
@given(sku=HOSTILE_TEXT.filter(lambda text: text not in {".", ".."}), items=st.lists(HOSTILE_TEXT, min_size=1))
def test_yarl_sends_the_target_as_it_is(sku: str, items: list[str]) -> None:
    """With encoded=True, yarl neither decodes, requotes nor normalises what was prepared."""
    operation = an_operation(
        a_parameter("item_id", "segment"), a_parameter("skus", "multi_double"), path="/items/{itemId}"
    )
    target = prepare(operation, {"item_id": sku, "skus": items}).target
    assert yarl.URL("https://host" + target, encoded=True).raw_path_qs == target


# --- queries ---------------------------------------------------------------------------------------------------------


def test_parameters_are_sent_in_the_operations_order() -> None:
    """Equal calls make equal URLs, however the arguments were ordered, and no argument is left out."""
    operation = an_operation(*(a_parameter(name) for name in ("created_after", "next_token", "page_size")))
    request = prepare(operation, {"page_size": 5, "next_token": None, "created_after": "x"})
    assert request.target == "/things?createdAfter=x&pageSize=5"
    assert request.path == "/things"


def test_a_paging_token_is_encoded() -> None:
    """An unencoded + / or = made Amazon answer InvalidQueryStringException."""
    assert query_of("plain", "2YgYW55IGNhcm5hbCBwbGVhc3VyZS4+/w==") == (
        "sku=2YgYW55IGNhcm5hbCBwbGVhc3VyZS4%2B%2Fw%3D%3D"
    )


@pytest.mark.parametrize("sku", [HOSTILE, "a,b", "100%", "a+b"])
def test_csv_items_are_encoded_and_the_commas_between_them_are_not(sku: str) -> None:
    """Splitting on literal commas, then decoding once, gives the items back."""
    query = query_of("csv", [sku, "plain"])
    assert [unquote(item) for item in query.removeprefix("sku=").split(",")] == [sku, "plain"]


@settings(deadline=None)
@given(skus=st.lists(HOSTILE_TEXT, min_size=1))
def test_any_list_comes_back_from_csv(skus: list[str]) -> None:
    """Whatever the items contain, the commas between them are the only literal ones."""
    query = query_of("csv", skus)
    assert [unquote(item, errors="strict") for item in query.removeprefix("sku=").split(",")] == skus


@settings(deadline=None)
@given(skus=st.lists(HOSTILE_TEXT, min_size=1))
def test_multi_repeats_the_parameter(skus: list[str]) -> None:
    """The only two parameters of this kind are the mskus of fulfillment inbound 2024-03-20."""
    pairs = [pair.split("=") for pair in query_of("multi", skus).split("&")]
    assert [(name, unquote(value, errors="strict")) for name, value in pairs] == [("sku", sku) for sku in skus]


@pytest.mark.parametrize(
    ("msku", "sent"),
    [
        ("test%msku", "test%2525msku"),
        ("test,msku", "test%252Cmsku"),
        ("test+msku", "test%252Bmsku"),
        ("test msku", "test%20msku"),
        ("test/msku", "test%2Fmsku"),
        ("test&msku", "test%26msku"),
    ],
)
def test_percent_plus_and_comma_are_encoded_twice_where_amazon_decodes_twice(msku: str, sent: str) -> None:
    """Amazon's own examples: test%msku is sent as test%2525msku, test,msku as test%252Cmsku."""
    assert query_of("multi_double", [msku]) == f"sku={sent}"
    assert query_of("csv_double", [msku, "b"]) == f"sku={sent},b"


@settings(deadline=None)
@given(skus=st.lists(HOSTILE_TEXT, min_size=1))
def test_any_list_comes_back_from_double_encoding(skus: list[str]) -> None:
    """A server that decodes, splits on commas and decodes again gets the items whole."""
    once = unquote(query_of("csv_double", skus).removeprefix("sku="), errors="strict")
    assert [unquote(item, errors="strict") for item in once.split(",")] == skus


def test_a_string_where_a_list_belongs_is_one_item() -> None:
    """It is not split into characters."""
    assert query_of("csv", "AB") == "sku=AB"
    assert query_of("multi", "AB") == "sku=AB"


def test_any_iterable_is_a_list() -> None:
    """Generators and tuples work like lists; sets are sent sorted, so that equal calls make equal URLs."""
    assert query_of("csv", (letter for letter in "ab")) == query_of("csv", ("a", "b")) == "sku=a,b"
    assert query_of("csv", {"b", "c", "a"}) == "sku=a,b,c"


def test_an_empty_list_is_left_out_or_refused() -> None:
    """Amazon refuses an empty csv value."""
    assert query_of("csv", []) == ""
    needed = an_operation(a_parameter("sku", "csv", required=True))
    assert complaint(needed, {"sku": []}) == "things_v1.do_thing: sku is required and must not be empty"


def test_a_list_that_contains_none_is_refused() -> None:
    """The error has its position. An empty string is left to Amazon to judge."""
    operation = an_operation(a_parameter("skus", "csv"))
    assert "item 1" in complaint(operation, {"skus": ["a", None]})
    assert query_of("csv", [""]) == "sku="


# --- values ----------------------------------------------------------------------------------------------------------


class Size(enum.Enum):
    """A caller's own enum."""

    SMALL = "Small size"


class Colour(OpenEnum):
    """An enum of the models."""

    RED = "Red"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (Decimal("1E+5"), "100000"),
        (Decimal("0.00"), "0.00"),
        (1e-7, "0.0000001"),
        (Size.SMALL, "Small%20size"),
        (Colour("Blue"), "Blue"),
        (Marketplace.US, "ATVPDKIKX0DER"),
        (date(2026, 2, 3), "2026-02-03"),
        (datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-02-03T04%3A05%3A06Z"),
        (datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=timezone(timedelta(hours=1))), "2026-02-03T03%3A05%3A06.789000Z"),
    ],
)
def test_a_value_is_written_in_amazons_notation(value: object, sent: str) -> None:
    """Booleans are in lower case, times in UTC, numbers without exponent, enums by value."""
    assert query_of("plain", value) == query_of("csv", [value]) == f"sku={sent}"


def test_a_datetime_without_zone_is_refused_and_says_what_to_do() -> None:
    """Sent as UTC it would be hours off on most machines, unnoticed."""
    text = complaint(an_operation(a_parameter("created_after")), {"created_after": datetime(2026, 1, 1)})  # noqa: DTZ001
    assert text.startswith("things_v1.do_thing: created_after is a datetime without a zone")
    assert "astimezone" in text


def test_a_date_parameter_takes_the_day_of_a_datetime() -> None:
    """The day is that of the datetime's own zone, not UTC's."""
    when = datetime(2026, 1, 1, 23, 30, tzinfo=timezone(timedelta(hours=-8)))
    assert query_of("plain", when, constraints=Constraints(format="date")) == "sku=2026-01-01"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")])
def test_nan_and_infinity_are_refused(value: object) -> None:
    """Amazon knows neither."""
    assert "not a finite number" in complaint(an_operation(a_parameter("amount")), {"amount": value})


@pytest.mark.parametrize("value", [["a"], {"a": 1}, b"a", object()])
def test_a_collection_where_a_single_value_belongs_is_refused(value: object) -> None:
    """The error names its type, never the value."""
    text = complaint(an_operation(a_parameter("sku")), {"sku": value})
    assert text == f"things_v1.do_thing: sku takes a single value, not {type(value).__name__}"


def test_half_a_surrogate_pair_is_refused() -> None:
    """It cannot be encoded as UTF-8."""
    assert "surrogate" in complaint(ITEM, {"item_id": "\ud83c"})


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_missing_required_argument_is_named() -> None:
    """It may belong to a path, a query or a header."""
    operation = an_operation(
        a_parameter("order_id", "segment", required=True),
        a_parameter("marketplace_ids", "csv", required=True),
        a_parameter("x_amzn_token", "header", required=True),
        path="/orders/{orderId}",
    )
    given: dict[str, Any] = {}
    for name in ("order_id", "marketplace_ids", "x_amzn_token"):
        assert complaint(operation, given) == f"things_v1.do_thing: {name} is required"
        given[name] = "1"
    assert prepare(operation, given).target == "/orders/1?marketplaceIds=1"


def test_an_unknown_argument_is_named_with_its_likeliest_correction() -> None:
    """Amazon's own spelling is the most likely mistake."""
    operation = an_operation(a_parameter("marketplace_ids", "csv"), a_parameter("next_token"))
    text = complaint(operation, {"marketplaceIds": ["x"]})
    assert text.endswith("marketplaceIds is not an argument of this operation; did you mean marketplace_ids?")
    assert "it takes marketplace_ids, next_token" in complaint(operation, {"zzz": 1})


def test_a_header_argument_is_sent_as_it_is() -> None:
    """Shipping takes its business id in a header."""
    operation = an_operation(a_parameter("business", "header", wire_name="x-amzn-shipping-business-id"))
    assert prepare(operation, {"business": "AmazonShipping_UK"}).headers == {
        "x-amzn-shipping-business-id": "AmazonShipping_UK"
    }


@pytest.mark.parametrize("hostile", ["a\r\nx-evil: 1", "a\nb", "a\x00"])
def test_a_header_argument_cannot_add_another_header(hostile: str) -> None:
    """Control characters are refused, and the value is not repeated."""
    operation = an_operation(a_parameter("business", "header"))
    text = complaint(operation, {"business": hostile})
    assert "line breaks" in text
    assert "evil" not in text


# --- restricted data -------------------------------------------------------------------------------------------------

RESTRICTED = an_operation(restriction=Restriction(mode="optional", data_elements=("buyerInfo", "shippingAddress")))


def test_data_elements_do_not_reach_the_url() -> None:
    """They are part of the restricted data token, once each and in Amazon's order."""
    request = prepare(RESTRICTED, {"data_elements": ["shippingAddress", "buyerInfo", "buyerInfo"]})
    assert request.data_elements == ("buyerInfo", "shippingAddress")
    assert request.target == "/things"
    assert prepare(RESTRICTED, {"data_elements": "buyerInfo"}).data_elements == ("buyerInfo",)
    assert prepare(RESTRICTED, {"data_elements": ()}).data_elements == ()


def test_unknown_data_elements_are_refused_with_the_choice() -> None:
    """Without the element, the buyer would be blank."""
    text = complaint(RESTRICTED, {"data_elements": ["buyerinfo"]})
    assert text.endswith("data_elements must not contain buyerinfo: choose from buyerInfo, shippingAddress")


@pytest.mark.parametrize("restriction", [None, Restriction(mode="always", data_elements=("buyerInfo",))])
def test_data_elements_are_refused_where_there_is_no_choice(restriction: Restriction | None) -> None:
    """Operations that always need a token get one without being asked."""
    operation = an_operation(restriction=restriction)
    assert "this operation offers none" in complaint(operation, {"data_elements": ["buyerInfo"]})


# --- bodies ----------------------------------------------------------------------------------------------------------


class Money(Model, rename="pascal"):
    """A struct with Amazon's Pascal case."""

    currency_code: str
    amount: Decimal | None = None
    note: str | None = None


def posting(decimals: Any = "string", *, required: bool = True) -> Operation[Any]:
    """An operation with a body."""
    return an_operation(a_parameter("body", "json", required=required), method="POST", decimals=decimals)


def body_of(value: Any, decimals: Any = "string") -> Any:
    """The body as sent, its numbers as text, so that 1.10 and 1.1 differ."""
    body = prepare(posting(decimals), {"body": value}).body
    assert body is not None
    return json.loads(body, parse_float=lambda text: f"number {text}", parse_int=lambda text: f"number {text}")


def test_a_struct_is_sent_with_amazons_names_and_without_unset_fields() -> None:
    """Snake case is never sent."""
    assert body_of(Money(currency_code="USD", amount=Decimal("1.10"))) == {"CurrencyCode": "USD", "Amount": "1.10"}


def test_decimals_are_strings_or_numbers_as_the_operation_has_it() -> None:
    """Listings want 12.5, orders "12.50"; both are sent as written, without exponents."""
    assert body_of({"a": Decimal("1.10"), "b": Decimal("1E+5")}) == {"a": "1.10", "b": "100000"}
    assert body_of({"a": Decimal("1.10"), "b": [Decimal("1E+5")]}, "number") == {
        "a": "number 1.10",
        "b": ["number 100000"],
    }


def test_a_plain_mapping_is_sent_unchanged() -> None:
    """Batches carry URIs and SKUs: nothing in a body is percent-encoded or renamed."""
    content = {"requests": [{"uri": f"/products/{HOSTILE}", "snake_case": None, "E": "5E+3", "x": "NaN"}]}
    assert body_of(MappingProxyType(content)) == content
    assert body_of([content, {"n": Decimal("5E+3")}]) == [content, {"n": "5000"}]


def test_only_a_body_has_a_content_type() -> None:
    """Amazon refuses a GET with a Content-Type or Content-Length."""
    sent = prepare(posting(), {"body": {}})
    assert (sent.body, sent.headers) == (b"{}", {"content-type": "application/json"})
    bare = prepare(posting(required=False), {"body": None})
    assert (bare.body, bare.headers) == (None, {})
    assert prepare(ITEM, {"item_id": "1"}).body is None


def test_a_missing_body_is_named() -> None:
    """Nothing is sent."""
    assert complaint(posting(), {}) == "things_v1.do_thing: body is required"


@pytest.mark.parametrize("text", ['{"a": 1}', b'{"a": 1}'])
def test_json_text_as_a_body_is_refused(text: object) -> None:
    """It would be sent as one JSON string."""
    assert "decode JSON text first" in complaint(posting(), {"body": text})


@pytest.mark.parametrize(
    "value",
    [
        {"a": object()},
        {"a": Decimal("NaN")},
        {"secret": Decimal("Infinity")},
        {"a": [{"value": float("nan")}], "b": None},
        {"secret": float("-inf")},
    ],
)
def test_values_that_json_cannot_express_are_refused(value: object) -> None:
    """Foreign objects, NaN and infinity are such values."""
    text = complaint(posting("number"), {"body": value})
    assert text.startswith("things_v1.do_thing: body cannot be written as JSON")


def test_a_null_and_a_finite_float_are_sent() -> None:
    """What floats must not turn into is Amazon's way of saying that there is nothing."""
    assert body_of({"a": None, "b": [1.5, 2e300]}) == {"a": None, "b": ["number 1.5", "number 2e300"]}


def test_a_datetime_without_zone_is_refused_in_bodies_too() -> None:
    """It is found at any depth; a string that looks like one is sent."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    assert "without a zone" in complaint(posting(), {"body": {"a": [naive]}})
    sent = {"a": "2026-01-01T00:00:00", "b": datetime(2026, 1, 1, tzinfo=UTC)}
    assert body_of(sent) == {"a": "2026-01-01T00:00:00", "b": "2026-01-01T00:00:00Z"}


def test_a_requests_repr_shows_nothing_of_the_buyer() -> None:
    """Targets and bodies hold order ids and e-mail addresses."""
    request = prepare(ITEM, {"item_id": "jane@example.com"})
    assert repr(request) == "<Request GET>"
