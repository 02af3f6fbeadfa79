"""Bodies that break their model: what is kept, what is converted, and which violations are recorded."""

import json
import pickle
import timeit
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest

from spapi_async._codec.lenient import build
from spapi_async._core.wire import Model, Number, OpenEnum, Timestamp


class Channel(OpenEnum):
    """Known channels."""

    MFN = "MFN"
    AFN = "AFN"


class Money(Model, rename="pascal"):
    """Currency and amount."""

    currency_code: str
    amount: Decimal


class Item(Model):
    """Fields of many types."""

    asin: str = msgspec.field(name="ASIN")
    quantity: int = msgspec.field(name="QuantityOrdered")
    price: Money | None = msgspec.field(name="ItemPrice", default=None)
    gift: bool | None = msgspec.field(name="IsGift", default=None)
    channel: Channel | None = msgspec.field(name="FulfillmentChannel", default=None)
    updated: Timestamp | None = msgspec.field(name="lastUpdatedTime", default=None)
    due: date | None = None
    weight: float | None = None
    tags: list[str] | None = None
    notes: dict[str, int] | None = None
    anything: Any = None
    children: list["Item"] | None = None


class Error(Model):
    """An entry of Amazon's error list."""

    code: str
    message: str


class ErrorList(Model):
    """The object of 35 models; 31 others have the bare list."""

    errors: list[Error]


def read(declared: Any, content: Any) -> tuple[Any, list[tuple[str, str, str]]]:
    """The value and the paths of violations."""
    return build(declared, content if isinstance(content, bytes) else json.dumps(content).encode())


def read_field(name: str, content: Any, **others: Any) -> tuple[Any, list[tuple[str, str]]]:
    """One attribute of an Item whose key holds ``content``, and its violations."""
    key = next(field.encode_name for field in msgspec.structs.fields(Item) if field.name == name)
    value, violations = read(Item, {"ASIN": "B0", "QuantityOrdered": 1, **others, key: content})
    assert value.asin == "B0" or name == "asin"
    assert all(path.startswith(f"$.{key}") for path, _, _ in violations)
    return getattr(value, name), [(expected, got) for _, expected, got in violations]


# --- missing and null ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["ASIN", "QuantityOrdered"])
def test_a_missing_required_field_is_none(missing: str) -> None:
    """Order items sometimes lack ASIN, OrderItemId or QuantityOrdered; no value is made up."""
    content = {"ASIN": "B0", "QuantityOrdered": 1, "IsGift": True}
    del content[missing]
    value, violations = read(Item, content)
    assert msgspec.to_builtins(value) == content | {missing: None}
    assert [(path, got) for path, _, got in violations] == [(f"$.{missing}", "absent")]


def test_null_where_the_model_does_not_allow_it_is_none() -> None:
    """The models declare nothing nullable, but errors[].message and end_at.value are null at times."""
    value, violations = read(list[Error], [{"code": "InvalidInput", "message": None}])
    assert value == [Error(code="InvalidInput", message=None)]  # type: ignore[arg-type]
    assert violations == [("$[0].message", "string", "null")]


def test_null_in_a_list_keeps_its_place() -> None:
    """Positions matter in batches."""
    assert read_field("tags", ["a", None, "b"]) == (["a", None, "b"], [("string", "null")])


def test_an_empty_object_is_a_struct_without_values() -> None:
    """PrepDetails is sometimes {}."""
    value, violations = read(Money, {})
    assert (value.currency_code, value.amount) == (None, None)
    assert len(violations) == 2


def test_a_key_in_another_case_stands_for_a_missing_required_one() -> None:
    """The pricing sandbox sends MarketplaceID for marketplaceId."""
    value, violations = read(Money, {"currencycode": "USD", "AMOUNT": 5})
    assert value == Money(currency_code="USD", amount=Decimal(5))
    assert violations == [
        ("$.CurrencyCode", "string", "key currencycode"),
        ("$.Amount", "decimal", "key AMOUNT"),
    ]


def test_the_right_key_wins_over_one_that_differs_in_case() -> None:
    """There is no violation."""
    value, _ = read(Money, {"amount": "2", "Amount": "1", "currencyCode": "EUR"})
    assert value == Money(currency_code="EUR", amount=Decimal(1))


# --- conversions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "value", "got"),
    [
        ("quantity", "5", 5, "string"),
        ("quantity", " -5 ", -5, "string"),
        ("quantity", 5.0, 5, "number"),
        ("quantity", "5.00", 5, "string"),
        ("gift", "true", True, "string"),
        ("gift", "False", False, "string"),
        ("gift", 1, True, "integer"),
        ("gift", "0", False, "string"),
        ("asin", 590123, "590123", "integer"),
        ("asin", 1.5, "1.5", "number"),
        ("asin", True, "true", "boolean"),
        ("channel", 3, Channel("3"), "integer"),
        ("weight", "1.5", 1.5, "string"),
        ("weight", "-2e3", -2000.0, "string"),
        ("due", "2026-01-02T23:00:00-08:00", date(2026, 1, 2), "date with time"),
        ("due", " 2026-01-02", date(2026, 1, 2), "string"),
    ],
)
def test_a_value_of_an_equivalent_type_is_converted(name: str, content: Any, value: Any, got: str) -> None:
    """Booleans and integers as strings are examples; each conversion is a violation."""
    actual, noted = read_field(name, content)
    assert (actual, type(actual)) == (value, type(value))
    assert [got for _, got in noted] == [got]


UTC_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "value", "got"),
    [
        ("2026-01-02T12:00Z", UTC_NOON, "time without seconds"),
        ("2026-01-02T12:00:00", UTC_NOON, "time without zone"),
        ("2026-01-02T12:00", UTC_NOON, "time without zone"),
        ("2026-01-02 12:00:00", UTC_NOON, "time without zone"),
        ("2026-01-02", UTC_NOON - timedelta(hours=12), "date without time"),
        ("2026-01-02T12:00+0000", UTC_NOON, "time without seconds"),
        ("2026-01-02T12:00:00 +01:00", UTC_NOON - timedelta(hours=1), "string"),
        ("2026-01-02T12:00:00+01", UTC_NOON - timedelta(hours=1), "string"),
        ("Fri Jan 02 12:00:00 UTC 2026", UTC_NOON, "string"),
        ("2026-01-02T12:00:00,5Z", UTC_NOON + timedelta(seconds=0.5), "string"),
        ("2026-01-02T12:00:00.1234567890123", UTC_NOON + timedelta(microseconds=123456), "time without zone"),
    ],
)
def test_times_are_read_without_seconds_zone_or_hours(text: str, value: datetime, got: str) -> None:
    """A missing zone is read as UTC, which Amazon's times without a zone are."""
    actual, noted = read_field("updated", text)
    assert (actual, noted) == (value, [("datetime", got)])
    assert actual.tzinfo is not None


@pytest.mark.parametrize(
    "text",
    ["2026-01-02T12:00:00Z", "2026-01-02T12:00:00+0000", "2026-01-02T12:00:00.1Z", "2026-01-02T12:00:00.123456789Z"],
)
def test_fractions_of_any_length_and_zones_without_colon_are_no_violation(text: str) -> None:
    """The typed decoder reads these itself."""
    value, noted = read_field("updated", text)
    assert (value.replace(microsecond=0), noted) == (UTC_NOON, [])


def test_money_as_json_numbers_is_exact_and_no_violation() -> None:
    """Sales metrics send numbers where the model says string; 0.1 stays 0.1."""
    assert read(Money, b'{"CurrencyCode":"USD","Amount":0.10}') == (
        Money(currency_code="USD", amount=Decimal("0.10")),
        [],
    )
    assert read(Number, b"12345678901234567.89") == (Decimal("12345678901234567.89"), [])


@pytest.mark.parametrize("name", ["quantity", "gift", "updated", "due", "weight", "price", "tags", "notes", "children"])
def test_an_empty_string_where_no_string_belongs_is_none(name: str) -> None:
    """Inventory sends lastUpdatedTime "" for a product that was never updated."""
    value, noted = read_field(name, "")
    assert value is None
    assert [got for _, got in noted] == ["empty string"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("quantity", "five"),
        ("quantity", 5.5),
        ("quantity", True),
        ("quantity", "5" * 500),
        ("quantity", [1]),
        ("gift", "yes"),
        ("gift", 2),
        ("weight", "NaN"),
        ("weight", "1e999"),
        ("asin", {"a": 1}),
        ("asin", ["a", "b"]),
        ("updated", "yesterday"),
        ("updated", "Fri Jab 02 12:00:00 UTC 2026"),
        ("updated", "Fri Jan 02 12:00:00 PST 2026"),
        ("updated", "2026-13-45T00:00:00Z"),
        ("updated", 1767355200),
        ("due", "2026-02-30"),
        ("price", "USD 5"),
        ("price", [{"Amount": 1}, {"Amount": 2}]),
        ("price", []),
        ("tags", {"a": 1, "b": 2}),
        ("notes", ["a"]),
        ("children", 5),
    ],
)
def test_a_value_that_does_not_fit_is_kept_unchanged(name: str, content: Any) -> None:
    """Nothing is guessed or lost, and the rest of the struct is not affected."""
    value, noted = read_field(name, content)
    assert value == content
    assert len(noted) == 1


def test_a_number_too_large_for_a_float_is_kept_exactly() -> None:
    """Msgspec refuses it even where any value is allowed."""
    value, noted = read(Item, b'{"ASIN":"B0","QuantityOrdered":1,"anything":{"n":1e999},"weight":1e999}')
    assert (value.anything, value.weight) == ({"n": Decimal("1E+999")}, Decimal("1E+999"))
    assert len(noted) == 2


# --- lists and objects -----------------------------------------------------------------------------------------------


def test_a_single_object_where_a_list_belongs_is_a_list_of_one() -> None:
    """APIs that were XML once send a list of one as its element."""
    value, noted = read_field("children", {"ASIN": "B1", "QuantityOrdered": 2})
    assert value == [Item(asin="B1", quantity=2)]
    assert noted == [("list", "object")]
    assert read_field("tags", "a") == (["a"], [("list", "string")])


def test_a_list_of_one_where_an_object_belongs_is_its_element() -> None:
    """The list is a violation."""
    value, noted = read_field("price", [{"CurrencyCode": "USD", "Amount": "1"}])
    assert value == Money(currency_code="USD", amount=Decimal(1))
    assert [got for _, got in noted] == ["array of one object"]


@pytest.mark.parametrize("declared", [ErrorList, ErrorList | None])
def test_a_bare_list_of_errors_is_an_error_list(declared: Any) -> None:
    """34 of Amazon's samples have it where the model has the object."""
    value, violations = read(declared, [{"code": "A", "message": "b"}])
    assert value == ErrorList(errors=[Error(code="A", message="b")])
    assert violations == [("$", "object", "array")]


def test_an_error_list_is_read_where_the_model_has_a_bare_list() -> None:
    """The fulfillment outbound sandbox sends it."""
    value, violations = read(list[Error], {"errors": [{"code": "A", "message": "b"}]})
    assert value == [Error(code="A", message="b")]
    assert violations == [("$", "list", "object around a list")]


# --- enumerations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["SellerFulfilled", "", "CA_MPF", "50.0", "Ein Name GmbH"])
def test_unknown_values_of_an_open_enum_are_no_violation(text: str) -> None:
    """A new value of Amazon's does not cost a page."""
    value, noted = read_field("channel", text)
    assert (value, type(value), noted) == (text, Channel, [])
    assert not value.known


def test_unknown_values_of_a_literal_are_kept() -> None:
    """The violation does not repeat the value."""
    value, violations = read(Literal["a", "b"], "Jane")
    assert (value, violations) == ("Jane", [("$", "enum value", "string")])


def test_hostile_enum_values_cost_no_memory() -> None:
    """Unknown values are not remembered."""
    before = len(Channel.__members__), len(Channel._value2member_map_)
    read(list[Channel], [f"hostile-{n}" for n in range(1000)])
    assert (len(Channel.__members__), len(Channel._value2member_map_)) == before


# --- violations -----------------------------------------------------------------------------------------------------


def test_violations_have_the_path_of_the_value() -> None:
    """Each is recorded once, in the order of the model, with Amazon's names."""
    broken = {"ASIN": 1, "QuantityOrdered": 1, "children": [{"ASIN": "C", "QuantityOrdered": "x"}]}
    _, violations = read(list[Item], [{"ASIN": "A", "QuantityOrdered": 1, "children": [broken]}])
    assert [path for path, _, _ in violations] == [
        "$[0].children[0].ASIN",
        "$[0].children[0].children[0].QuantityOrdered",
    ]


def test_keys_of_free_maps_are_in_no_path() -> None:
    """They may be a buyer's words."""
    value, violations = read(dict[str, int], {"Jane Doe": "x", "b": 2})
    assert (value, violations) == ({"Jane Doe": "x", "b": 2}, [("$[*]", "integer", "string")])


def test_no_violation_ever_holds_a_value() -> None:
    """Violations are passed to observers and logs."""
    content = {
        "ASIN": ["secret"],
        "QuantityOrdered": "secret",
        "lastUpdatedTime": "secret",
        "notes": {"secret": "secret"},
    }
    _, violations = read(Item, content)
    assert len(violations) == 4
    assert "secret" not in str(violations)


def test_a_value_outside_the_models_limits_keeps_its_type() -> None:
    """Amazon's own replies break its minima and patterns."""
    limited = Annotated[int, msgspec.Meta(ge=0)] | None
    assert read(limited, -1) == (-1, [("$", "integer", "integer outside its limits")])
    assert read(Annotated[str, msgspec.Meta(max_length=2)], "abc")[0] == "abc"


def test_a_violation_deep_in_a_recursive_type_is_found() -> None:
    """The reader's recursion is bounded."""
    content: dict[str, Any] = {"ASIN": 1, "QuantityOrdered": 1}
    for _ in range(200):
        content = {"ASIN": "A", "QuantityOrdered": 1, "children": [content]}
    value, violations = read(Item, content)
    assert value.children[0].asin == "A"
    assert len(violations) == 1


def test_a_page_with_every_item_broken_costs_tens_of_times_a_good_one() -> None:
    """It does not cost thousands: pieces that fit are still decoded at once."""
    good = {"ASIN": "B0", "QuantityOrdered": 1, "tags": ["a"] * 20, "ItemPrice": {"CurrencyCode": "USD", "Amount": "1"}}
    page = json.dumps([good | {"lastUpdatedTime": "2026-01-01T00:00:00Z"}] * 500).encode()
    bad_page = json.dumps([good | {"lastUpdatedTime": ""}] * 500).encode()
    decoder = msgspec.json.Decoder(list[Item])
    fast = min(timeit.repeat(lambda: decoder.decode(page), number=1, repeat=5))
    slow = min(timeit.repeat(lambda: build(list[Item], bad_page), number=1, repeat=5))
    assert slow < 200 * fast


def test_zone_offsets_are_kept() -> None:
    """The local time stays as Amazon sent it."""
    value, _ = read_field("updated", "2026-01-02T12:00+05:30")
    assert value.utcoffset() == timezone(timedelta(hours=5, minutes=30)).utcoffset(None)


@pytest.mark.parametrize("misfit", [{"Name": "Jane Doe"}, ["Jane Doe", "5 High Street"]])
def test_the_repr_of_a_value_that_does_not_fit_hides_it(misfit: Any) -> None:
    """It may be a customer's address; as a value it is the plain object or list, and is encoded as such."""
    item, violations = read(Item, {"ASIN": "B0", "QuantityOrdered": misfit})
    assert len(violations) == 1
    assert item.quantity == misfit
    assert "does not fit" in repr(item)
    assert "Jane" not in repr(item)
    assert json.loads(msgspec.json.encode(item))["QuantityOrdered"] == misfit
    assert pickle.loads(pickle.dumps(item)) == item


class Twins(Model):
    """Two fields that differ only in case."""

    reference: str = msgspec.field(name="orderReference")
    internal: str | None = msgspec.field(name="OrderReference", default=None)


def test_a_field_of_the_model_is_not_taken_for_another_that_is_absent() -> None:
    """A key in another case stands for a required field only if the model has no such key."""
    value, violations = build(Twins, b'{"OrderReference":"x"}')
    assert (value.reference, value.internal) == (None, "x")
    assert violations == [("$.orderReference", "string", "absent")]
    value, violations = build(Twins, b'{"orderREFERENCE":"x"}')
    assert (value.reference, value.internal) == ("x", None)


def test_the_number_of_violations_in_a_body_is_not_bounded() -> None:
    """The hundredth broken item is read like the first: only nesting is bounded."""
    body = b"[" + b",".join([b'{"ASIN":"A","QuantityOrdered":"2","ItemPrice":{"CurrencyCode":1,"Amount":"1.5"}}'] * 100)
    items, violations = build(list[Item], body + b"]")
    assert {(type(item), item.quantity, item.price.currency_code) for item in items} == {(Item, 2, "1")}
    assert len(violations) == 200


def test_of_several_types_the_fitting_one_is_read() -> None:
    """A broken list is not read as an object, though the object comes first."""
    body = b'[{"CurrencyCode":"EUR","Amount":1},{"CurrencyCode":2,"Amount":"1.5"}]'
    amounts, violations = build(Money | list[Money] | None, body)
    assert [each.currency_code for each in amounts] == ["EUR", "2"]
    assert [path for path, _, _ in violations] == ["$[1].CurrencyCode"]
