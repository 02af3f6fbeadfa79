"""Schemas become structs and enums that decode Amazon's replies."""

from __future__ import annotations

import datetime as dt
import typing
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from swagger_snippets import loaded, operation, swagger, text_of

from spapi_async.codegen.document import ModelError

STRING = {"type": "string"}


def struct(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An object schema."""
    return {"type": "object", "properties": properties} | more


def models(definitions: dict[str, Any]) -> Any:
    """The models module of these definitions."""
    return loaded(swagger(definitions))[0]


def decode(type_: Any, json: str) -> Any:
    """JSON text as a value of the type."""
    return msgspec.json.decode(json.encode(), type=type_)


def test_required_fields_have_no_default() -> None:
    """A missing required field breaks the model; a missing optional one is None."""
    made = models({"Thing": struct({"a": STRING, "b": STRING}, required=["a"])})
    assert decode(made.Thing, '{"a": "x"}').b is None
    with pytest.raises(msgspec.ValidationError):
        decode(made.Thing, '{"b": "x"}')


@pytest.mark.parametrize(
    ("wire_name", "attribute", "rename"),
    [
        ("orderId", "order_id", 'rename="camel"'),
        ("OrderId", "order_id", 'rename="pascal"'),
        ("SellerSKUs", "seller_skus", 'msgspec.field(default=None, name="SellerSKUs")'),
        ("x-amzn-RequestId", "x_amzn_request_id", 'msgspec.field(default=None, name="x-amzn-RequestId")'),
        ("_links", "links", 'msgspec.field(default=None, name="_links")'),
        ("list", "list_", 'rename="camel"'),
        ("sku", "sku", "kw_only=True)"),
    ],
)
def test_wire_names_are_kept_in_json(wire_name: str, attribute: str, rename: str) -> None:
    """Attributes are snake case; JSON keeps Amazon's names, by a rule or one by one."""
    model = swagger({"Thing": struct({wire_name: STRING})})
    assert rename in text_of("models", model)
    thing = decode(loaded(model)[0].Thing, f'{{"{wire_name}": "x"}}')
    assert getattr(thing, attribute) == "x"
    assert msgspec.to_builtins(thing) == {wire_name: "x"}


def test_an_unknown_enum_value_is_kept() -> None:
    """Enums are open: a new value becomes a member that carries it."""
    made = models(
        {"Status": STRING | {"enum": ["Active", "2D"]}, "Thing": struct({"s": {"$ref": "#/definitions/Status"}})}
    )
    assert decode(made.Thing, '{"s": "2D"}').s is made.Status.VALUE_2D
    assert decode(made.Thing, '{"s": "New"}').s == "New"


def test_inline_enums_and_objects_are_named_after_owner_and_property() -> None:
    """``Order.OrderType`` is ``OrderType``, ``Order.status`` is ``OrderStatus``, ``Order.fee`` is ``OrderFee``."""
    enum = STRING | {"enum": ["A"]}
    made = models({"Order": struct({"OrderType": enum, "status": enum, "fee": struct({"a": STRING})})})
    order = decode(made.Order, '{"OrderType": "A", "status": "A", "fee": {"a": "x"}}')
    assert (type(order.order_type), type(order.status), type(order.fee)) == (
        made.OrderType,
        made.OrderStatus,
        made.OrderFee,
    )


def test_inline_names_avoid_definitions() -> None:
    """An inline class never replaces a definition of the same name."""
    made = models({"Order": struct({"status": STRING | {"enum": ["A"]}}), "OrderStatus": struct({"a": STRING})})
    assert issubclass(made.OrderStatus, msgspec.Struct)
    assert made.OrderStatusValue.A == "A"


def test_items_of_a_named_list_are_named_after_the_list() -> None:
    """Inline items of ``OrderItemList`` are ``OrderItem``."""
    inline = {"type": "array", "items": struct({"a": STRING})}
    made = models({"OrderItemList": inline, "Order": struct({"items": {"$ref": "#/definitions/OrderItemList"}})})
    assert isinstance(decode(made.Order, '{"items": [{"a": "x"}]}').items[0], made.OrderItem)


@pytest.mark.parametrize(
    ("schema", "json", "expected"),
    [
        (STRING | {"format": "date-time"}, '"2026-01-02T03:04:05Z"', dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
        (STRING | {"format": "dateTime"}, '"2026-01-02T03:04:05Z"', dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
        (STRING | {"format": "date"}, '"2026-01-02"', dt.date(2026, 1, 2)),
        (STRING | {"format": "byte"}, '"eA=="', "eA=="),
        ({"type": "integer", "format": "int64"}, "7", 7),
        ({"type": "number", "format": "int64"}, "7", 7),
        ({"type": "number", "format": "double"}, "1.5", 1.5),
        ({"type": "boolean"}, "true", True),
        ({}, '{"a": [1]}', {"a": [1]}),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "object", "additionalProperties": True}, '{"a": 1}', {"a": 1}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, '{"a": 1}', {"a": 1}),
        ({"additionalProperties": STRING}, '{"a": "b"}', {"a": "b"}),
        ({"type": "array", "items": {"type": "array", "items": STRING}}, '[["a"]]', [["a"]]),
        ({"enum": ["A"]}, '"A"', "A"),
    ],
)
def test_values_of_every_kind_decode(schema: dict[str, Any], json: str, expected: Any) -> None:
    """They are scalars, odd formats, free and typed maps, nested lists, and a schema without a type."""
    made = models({"Thing": struct({"value": schema}, required=["value"])})
    value = decode(made.Thing, f'{{"value": {json}}}').value
    assert value == expected
    assert isinstance(value, type(expected))


@pytest.mark.parametrize(
    ("definitions", "json"),
    [
        ({"Decimal": STRING, "Thing": struct({"x": {"$ref": "#/definitions/Decimal"}})}, '{"x": "1.10"}'),
        (
            {"BigDecimal": {"type": "number"}, "Thing": struct({"x": {"$ref": "#/definitions/BigDecimal"}})},
            '{"x": 1.10}',
        ),
        ({"Thing": struct({"currencyCode": STRING, "amount": STRING})}, '{"amount": "1.10"}'),
        ({"Thing": struct({"CurrencyCode": STRING, "Amount": {"type": "number"}})}, '{"Amount": 1.10}'),
        ({"Thing": struct({"price": {"type": "number", "format": "double"}})}, '{"price": 1.10}'),
    ],
)
def test_money_is_never_a_binary_float(definitions: dict[str, Any], json: str) -> None:
    """Decimal definitions, amounts beside a currency and prices are exact Decimals."""
    thing = decode(models(definitions).Thing, json)
    (value,) = (value for value in msgspec.structs.asdict(thing).values() if value is not None)
    assert isinstance(value, Decimal)
    assert str(value) == "1.10"


def test_the_form_of_decimals_is_known() -> None:
    """A Decimal that Amazon writes as a JSON number is marked ``Number``."""
    definitions = {"Thing": struct({"price": {"type": "number"}, "currency": STRING, "amount": STRING})}
    text = text_of("models", swagger(definitions))
    assert "price: Number | None" in text
    assert "amount: Decimal | None" in text


def test_ratios_are_not_money() -> None:
    """A percentage beside a currency stays a float."""
    thing = struct({"currencyCode": STRING, "revenuePenetration": {"type": "number"}})
    assert "revenue_penetration: float | None" in text_of("models", swagger({"Thing": thing}))


def test_recursive_types_decode() -> None:
    """A type may contain itself, and two may contain each other."""
    link = {"$ref": "#/definitions/Node"}
    made = models({"Node": struct({"children": {"type": "array", "items": link}, "parent": link})})
    tree = decode(made.Node, '{"children": [{"children": []}], "parent": {}}')
    assert isinstance(tree.children[0], made.Node)
    assert isinstance(tree.parent, made.Node)


def test_a_definition_made_of_nothing_but_itself_fails() -> None:
    """A list of itself has no Python type."""
    with pytest.raises(ModelError, match="Loop refers only to itself"):
        models(
            {
                "Loop": {"type": "array", "items": {"$ref": "#/definitions/Loop"}},
                "T": struct({"a": {"$ref": "#/definitions/Loop"}}),
            }
        )


def test_all_of_merges_its_parts() -> None:
    """It has the fields and requirements of all parts, including references and nested allOf."""
    base = struct({"a": STRING}, required=["a"])
    middle = {"allOf": [{"$ref": "#/definitions/Base"}, struct({"b": STRING})]}
    made = models(
        {
            "Base": base,
            "Middle": middle,
            "Thing": {"allOf": [{"$ref": "#/definitions/Middle"}], "properties": {"c": STRING}},
        }
    )
    assert made.Thing.__struct_fields__ == ("a", "b", "c")
    with pytest.raises(msgspec.ValidationError):
        decode(made.Thing, '{"b": "x"}')


def test_all_of_with_one_part_is_that_part() -> None:
    """A property wrapped in allOf to add a description has the type of its only part."""
    made = models({"A": struct({"x": STRING}), "Thing": struct({"a": {"allOf": [{"$ref": "#/definitions/A"}]}})})
    assert isinstance(decode(made.Thing, '{"a": {}}').a, made.A)


def test_all_of_a_scalar_fails() -> None:
    """The parts of an allOf must be objects."""
    with pytest.raises(ModelError, match=r"thingsV0\.json: \$\.definitions\.Thing\.allOf\[0\]: allOf of a string"):
        models({"Thing": {"allOf": [STRING, STRING]}})


def test_a_reference_to_nothing_fails() -> None:
    """A $ref must lead somewhere."""
    with pytest.raises(ModelError, match="'Gone', which is not defined"):
        models({"Thing": struct({"a": {"$ref": "#/definitions/Gone"}})})


def test_references_keep_their_siblings_out() -> None:
    """Members beside a $ref change no type."""
    reference = {"$ref": "#/definitions/A", "description": "An A.", "type": "object"}
    made = models({"A": struct({"x": STRING}), "Thing": struct({"a": reference})})
    assert isinstance(decode(made.Thing, '{"a": {}}').a, made.A)


@pytest.mark.parametrize(
    "name", ["Error", "Decimal", "Warning", "DateTime", "Date", "Model", "Timestamp", "Any", "buyerInfo"]
)
def test_definitions_may_be_called_like_python_types(name: str) -> None:
    """A struct called like a builtin or an import works and hides nothing."""
    made = models(
        {
            name: struct({"type": STRING, "id": STRING, "date": STRING | {"format": "date"}}),
            "Thing": struct(
                {"x": {"$ref": f"#/definitions/{name}"}, "when": STRING | {"format": "date-time"}, "free": {}}
            ),
        }
    )
    thing = decode(made.Thing, '{"x": {"date": "2026-01-02"}, "when": "2026-01-02T00:00:00Z", "free": 1}')
    assert thing.x.date == dt.date(2026, 1, 2)


def test_limits_reach_the_docstring() -> None:
    """The class states the constraints of its fields."""
    name = STRING | {"minLength": 1, "maxLength": 50, "pattern": r"^\d+$"}
    model = swagger({"Thing": struct({"name": name, "tags": {"type": "array", "items": STRING, "maxItems": 1}})})
    text = loaded(model)[0].Thing.__doc__
    assert r"name: 1 to 50 characters; pattern ``^\d+$``." in text
    assert "tags: at most 1 item." in text


def test_descriptions_do_not_reach_the_output() -> None:
    """Amazon's sentences are not copied."""
    secret = "Prose nobody may copy."
    model = swagger(
        {"Thing": struct({"a": STRING | {"description": secret, "title": secret}}, description=secret)},
        {"/t": {"get": operation(summary=secret, description=secret)}},
    )
    assert secret not in text_of("models", model) + text_of("api", model)


def test_annotations_resolve() -> None:
    """Every annotation of a generated class can be evaluated."""
    made = models({"Thing": struct({"a": STRING | {"format": "date-time"}, "b": {"$ref": "#/definitions/Thing"}})})
    assert set(typing.get_type_hints(made.Thing)) == {"a", "b"}
