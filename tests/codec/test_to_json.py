"""A decoded reply is encoded as Amazon wrote it: numbers as numbers, strings as strings, times in their form."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spapi_async import to_json
from spapi_async._codec.lenient import build
from spapi_async._codec.response import decode
from spapi_async._core.wire import Model, Number, OpenEnum, Timestamp
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.models import orders_v0


class Status(OpenEnum):
    """One known value."""

    SENT = "Sent"


class Price(Model, kw_only=True, rename="pascal"):
    """Its amount is a JSON number."""

    amount: Number | None = None


class Size(Model, kw_only=True, rename="pascal"):
    """Its amount is a JSON string."""

    amount: Decimal | None = None


class Thing(Model, kw_only=True, rename="camel"):
    """Both, wherever a decimal can be."""

    list_price: Price | None = None
    sizes: list[Size] | None = None
    prices_by_country: dict[str, list[Price]] | None = None
    rates: list[Number] | None = None
    weights: dict[str, Decimal] | None = None
    sent_at: Timestamp | None = None
    status: Status | None = None
    parts: list["Thing"] | None = None
    attributes: dict[str, Any] | None = None


class Line(Model, kw_only=True, rename="camel"):
    """Both, and a required field."""

    count: int
    price: Price | None = None
    size: Size | None = None


class Cheap(Model, kw_only=True, rename="camel"):
    """Decimals in one form only, which the fast encoder writes."""

    price: Price | None = None
    sent_at: Timestamp | None = None


DIGITS = st.one_of(st.decimals(-1000, 1000, places=2), st.decimals(0, 1, places=9)).map(lambda value: f"{value:f}")
AS_NUMBER = DIGITS.map(lambda text: msgspec.Raw(text.encode()))
AS_STRING = DIGITS
TIMES = st.from_regex(
    r"202[0-9]-0[1-9]-[01][1-9]T[01][0-9]:15:[0-5][0-9](\.[0-9]{2}[1-9]([0-9]{2}[1-9])?)?(Z|\+05:30)", fullmatch=True
)
WORDS = st.sampled_from(["Sent", "Lost", "NaN", "Infinity", '2020-01-01T00:00:00.123000Z"', "é"])


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these keys."""
    return st.fixed_dictionaries({}, optional=fields)


PRICES = optional(Amount=AS_NUMBER)
THINGS = st.recursive(
    optional(
        listPrice=PRICES,
        sizes=st.lists(optional(Amount=AS_STRING), max_size=3),
        pricesByCountry=st.dictionaries(WORDS, st.lists(PRICES, max_size=2), max_size=2),
        rates=st.lists(AS_NUMBER, max_size=3),
        weights=st.dictionaries(WORDS, AS_STRING, max_size=2),
        sentAt=TIMES,
        status=WORDS,
        attributes=st.dictionaries(WORDS, st.one_of(st.none(), WORDS, st.booleans(), st.integers()), max_size=3),
    ),
    lambda inner: st.builds(lambda thing, parts: {**thing, "parts": parts}, inner, st.lists(inner, max_size=2)),
    max_leaves=4,
)


def exactly(body: bytes) -> Any:
    """JSON with every number as text."""
    return json.loads(body, parse_float=lambda text: ("number", text), parse_int=lambda text: ("number", text))


@settings(max_examples=50)
@given(THINGS)
def test_a_decoded_reply_is_written_as_it_came(thing: dict[str, Any]) -> None:
    """Decimals of both forms are side by side, in lists, maps and structs within structs."""
    body = msgspec.json.encode(thing)
    assert exactly(to_json(msgspec.json.decode(body, type=Thing))) == exactly(body)


@settings(max_examples=50)
@given(optional(price=PRICES, sentAt=TIMES))
@example({"price": {"Amount": msgspec.Raw(b"12.50")}, "sentAt": "2026-07-29T21:26:53.120Z"})
def test_decimals_of_one_form_are_written_as_they_came(cheap: dict[str, Any]) -> None:
    """The encoder that writes the whole at once gives the same result, times included."""
    body = msgspec.json.encode(cheap)
    assert exactly(to_json(msgspec.json.decode(body, type=Cheap))) == exactly(body)


@pytest.mark.parametrize("time", ["21:26:53Z", "21:26:53.120Z", "21:26:53.120001Z", "21:26:53.000Z", "21:26:53+02:00"])
@pytest.mark.parametrize("beside", ["{}", '{"listPrice":{"Amount":1.50},"sizes":[{"Amount":"1.50"}]}'])
def test_a_time_is_written_with_the_decimals_that_it_needs(time: str, beside: str) -> None:
    """None, milliseconds as Amazon writes them, or microseconds; also beside decimals of both forms."""
    thing = json.loads(beside) | {"sentAt": f"2026-07-29T{time}"}
    written = to_json(msgspec.json.decode(json.dumps(thing), type=Thing))
    assert json.loads(written)["sentAt"] == f"2026-07-29T{time}".replace(".000Z", "Z")


def test_lists_and_maps_of_structs_are_written_too() -> None:
    """Items of an iterator and a batch's results by key are such values."""
    prices, sizes = [Price(amount=Decimal("1.50"))], {"a": Size(amount=Decimal("1.50"))}
    assert to_json(prices) == b'[{"Amount":1.50}]'
    assert to_json(sizes) == b'{"a":{"Amount":"1.50"}}'
    assert to_json((prices, sizes)) == b'[[{"Amount":1.50}],{"a":{"Amount":"1.50"}}]'


@pytest.mark.parametrize("text", ["0.0000001", "-0.00000000", "1E+5", "1E-999999999"])
def test_a_decimal_is_written_in_the_digits_that_came(text: str) -> None:
    """Python would write 1E-7. A number that can only have come with an exponent keeps it, which bounds memory."""
    for body in (b'{"listPrice":{"Amount":%b}}' % text.encode(), b'{"sizes":[{"Amount":"%b"}]}' % text.encode()):
        assert to_json(msgspec.json.decode(body, type=Thing)) == body
    assert to_json(Cheap(price=Price(amount=Decimal(text)))) == b'{"price":{"Amount":%b}}' % text.encode()
    assert to_json(Size(amount=Decimal(text))) == b'{"Amount":"%b"}' % text.encode()


@pytest.mark.parametrize("depth", [1, 800])
def test_json_of_any_depth_is_written(depth: int) -> None:
    """It is written even when a time beside it requires the slow encoder."""
    body = b'{"sentAt":"2026-07-29T21:26:53.120Z","attributes":{"a":%b1.5%b}}' % (b"[" * depth, b"]" * depth)
    assert to_json(msgspec.json.decode(body, type=Thing)) == body


def test_to_json_takes_the_body_and_not_the_response() -> None:
    """Headers and raw bytes would look as if Amazon had sent them in JSON."""
    with pytest.raises(TypeError, match=r"such as response\.body, not a Response"):
        to_json(decode(GET_ORDER, 200, {}, b'{"payload":{}}'))


def test_a_time_without_zone_has_its_fraction_written_like_the_others() -> None:
    """Only a caller can have made one."""
    sent_at = datetime(2026, 7, 29, 21, 26, 53, 120_000)  # noqa: DTZ001 - that is the point
    assert to_json(Cheap(sent_at=sent_at)) == b'{"sentAt":"2026-07-29T21:26:53.120"}'


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "sNaN"])
def test_nan_and_infinity_stay_strings(text: str) -> None:
    """JSON has no such numbers, so they came as strings."""
    price = msgspec.json.decode(b'{"Amount":"%b"}' % text.encode(), type=Price)
    assert json.loads(to_json(price)) == {"Amount": text}
    assert json.loads(to_json([Thing(list_price=price)])) == [{"listPrice": {"Amount": text}}]


def test_kept_values_are_written_as_they_came() -> None:
    """They are text, lists and objects that broke the model, and numbers beyond any float, at any depth."""
    body = (
        b'{"AmazonOrderId":"1","OrderTotal":"none","ShippingAddress":[1,2.50],'
        b'"NumberOfItemsShipped":{"a":1e400},"NumberOfItemsUnshipped":2e400}'
    )
    response = decode(GET_ORDER, 200, {}, b'{"payload":%b}' % body)
    written = json.loads(to_json(response.body), parse_float=Decimal)
    assert {key: written[key] for key in json.loads(body)} == json.loads(body, parse_float=Decimal)


def test_violations_of_a_model_with_both_forms_are_written_as_kept() -> None:
    """A number beyond any float stays, and an absent required key is null."""
    line, _ = build(Line, b'{"count":1e400,"price":{"Amount":1.50},"size":{"Amount":"1.50"}}')
    assert to_json(line) == b'{"count":1E+400,"price":{"Amount":1.50},"size":{"Amount":"1.50"}}'
    absent, _ = build(Line, b"{}")
    assert to_json(absent) == to_json(Line(count=None)) == b'{"count":null}'  # type: ignore[arg-type]


def test_absent_optional_fields_are_left_out() -> None:
    """None means that the key is absent."""
    assert to_json(orders_v0.Money(currency_code="USD")) == b'{"CurrencyCode":"USD"}'
    assert to_json(Thing(parts=[Thing()], list_price=Price())) == b'{"listPrice":{},"parts":[{}]}'


def test_a_value_that_json_cannot_express_is_refused() -> None:
    """The error names its type and shows nothing of the value."""
    with pytest.raises(TypeError, match="type complex"):
        to_json(Thing(attributes={"a": 1j}))
