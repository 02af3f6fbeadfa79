"""Reading model files: unknown constructs are refused with file, JSON path and reason."""

from __future__ import annotations

from typing import Any

import pytest
from swagger_snippets import operation, swagger

from spapi_async.codegen.document import ModelError, parse_document
from spapi_async.codegen.schemas import Schema

PATH = "$.paths['/things/v0/thing'].get"


def with_operation(**changes: Any) -> dict[str, Any]:
    """A model whose only operation is changed."""
    return swagger(paths={"/things/v0/thing": {"get": operation(**changes)}})


def with_parameter(**parameter: Any) -> dict[str, Any]:
    """A model whose only parameter is changed."""
    return with_operation(parameters=[{"name": "x", "in": "query", "type": "string"} | parameter])


def with_schema(schema: Any) -> dict[str, Any]:
    """A model with one definition."""
    return swagger({"Thing": schema})


REFUSED = [
    (swagger(swagger="3.0"), "$: is not Swagger 2.0"),
    (swagger(components={}), "$: 'components' is not supported"),
    (swagger(consumes=["text/xml"]), "$.consumes: media type 'text/xml'"),
    (swagger(paths={"/t": {"options": {}}}), "$.paths['/t']: 'options'"),
    (with_operation(callbacks={}), f"{PATH}: 'callbacks'"),
    (with_operation(responses={"2XX": {"description": ""}}), f"{PATH}.responses['2XX']: status"),
    (with_parameter(**{"in": "formData"}), f"{PATH}.parameters[0]: a parameter in 'formData'"),
    (with_parameter(type="file"), f"{PATH}.parameters[0]: type 'file'"),
    (with_parameter(type="object"), f"{PATH}.parameters[0]: a parameter of type 'object'"),
    (with_parameter(collectionFormat="pipes"), f"{PATH}.parameters[0]: collectionFormat 'pipes'"),
    (with_parameter(name=None), f"{PATH}.parameters[0].name: must be a string, not NoneType"),
    (with_parameter(**{"in": "path"}), f"{PATH}: path parameters ['x']"),
    (with_parameter(**{"in": "body"}), f"{PATH}.parameters[0]: is a body without a schema"),
    (with_schema({"oneOf": []}), "$.definitions.Thing: 'oneOf'"),
    (with_schema({"type": ["string", "null"]}), "$.definitions.Thing: type ['string', 'null']"),
    (with_schema({"type": "array"}), "$.definitions.Thing: is an array without items"),
    (with_schema({"$ref": "other.json#/Thing"}), "$.definitions.Thing: $ref 'other.json#/Thing'"),
    (with_schema({"$ref": "#/definitions/A", "enum": ["a"]}), "$.definitions.Thing: $ref beside enum"),
    (with_schema({"type": "string", "default": {}}), "$.definitions.Thing: a default that is not a scalar"),
    (with_schema(True), "$.definitions.Thing: a schema must be an object"),
    (swagger(info=[]), "$.info: must be an object, not list"),
    (swagger() | {"definitions": []}, "$.definitions: must be an object, not list"),
    (swagger(paths={}), "$.paths: contains no operation"),
    (swagger() | {"paths": []}, "$.paths: must be an object, not list"),
    (swagger(produces="application/json"), "$.produces: must be a list, not str"),
    (swagger(produces=[1]), "$.produces[0]: int is not supported here"),
    (with_operation(operationId=3), f"{PATH}.operationId: must be a string, not int"),
    (with_operation(deprecated="no"), f"{PATH}.deprecated: must be a boolean, not str"),
    (with_operation(responses=None), f"{PATH}.responses: must be an object, not NoneType"),
    (with_operation(responses={"200": 1}), f"{PATH}.responses['200']: must be an object, not int"),
    (with_operation(parameters={}), f"{PATH}.parameters: must be a list, not dict"),
    (with_operation(parameters=[None]), f"{PATH}.parameters[0]: must be an object, not NoneType"),
    (with_parameter(minItems="1"), f"{PATH}.parameters[0].minItems: must be a number, not str"),
    (with_parameter(maximum=True), f"{PATH}.parameters[0].maximum: must be a number, not bool"),
    (with_parameter(format={}), f"{PATH}.parameters[0].format: must be a string, not dict"),
    (with_parameter(enum="a"), f"{PATH}.parameters[0].enum: must be a list, not str"),
    (with_schema({"type": "string", "enum": ["a", None]}), "$.definitions.Thing.enum[1]: NoneType is not"),
    (with_schema({"type": "object", "required": [{}]}), "$.definitions.Thing.required[0]: dict is not"),
    (with_schema({"properties": []}), "$.definitions.Thing.properties: must be an object, not list"),
    (with_schema({"properties": {'a"': {}}}), "$.definitions.Thing: a property called 'a\"' is not supported"),
    (with_schema({"allOf": []}), "$.definitions.Thing.allOf: is empty"),
    (with_schema({"allOf": None}), "$.definitions.Thing.allOf: must be a list, not NoneType"),
    (
        with_schema({"type": "object", "properties": {"a-b": {"nullable": True}}}),
        "$.definitions.Thing.properties['a-b']: 'nullable'",
    ),
]


@pytest.mark.parametrize(("model", "complaint"), REFUSED, ids=[complaint for _, complaint in REFUSED])
def test_unknown_constructs_are_refused_with_their_place(model: dict[str, Any], complaint: str) -> None:
    """The error has file, JSON path and the construct."""
    with pytest.raises(ModelError) as refusal:
        parse_document(model, "thingsV0.json")
    assert str(refusal.value).startswith(f"thingsV0.json: {complaint}")


def test_vendor_extensions_are_ignored() -> None:
    """``x-…`` keys are allowed anywhere."""
    document = parse_document(
        swagger({"Thing": {"type": "string", "x-note": 1}}, **{"x-components": {}}), "thingsV0.json"
    )
    assert document.definitions["Thing"].kind == "string"


def test_parameters_of_the_path_join_those_of_the_operation() -> None:
    """An operation's own parameter replaces the path's with the same name and location."""
    shared = [{"name": "id", "in": "path", "type": "string"}, {"name": "x", "in": "query", "type": "string"}]
    own = [{"name": "x", "in": "query", "type": "integer"}]
    model = swagger(paths={"/t/{id}": {"parameters": shared, "get": operation(parameters=own)}})
    (found,) = parse_document(model, "thingsV0.json").operations
    assert [(p.name, p.schema.kind) for p in found.parameters] == [("id", "string"), ("x", "integer")]


def test_shared_parameters_and_responses_are_followed() -> None:
    """``$ref`` to top-level parameters and responses leads to what they name."""
    model = swagger(
        paths={
            "/t": {
                "get": operation(
                    parameters=[{"$ref": "#/parameters/Page"}], responses={"200": {"$ref": "#/responses/Text"}}
                )
            }
        },
        parameters={"Page": {"name": "page", "in": "query", "type": "integer"}},
        responses={"Text": {"description": "", "schema": {"type": "string"}}},
    )
    (found,) = parse_document(model, "thingsV0.json").operations
    assert found.parameters[0].name == "page"
    status, schema = found.responses[0]
    assert status == 200
    assert isinstance(schema, Schema)


def test_a_base_path_precedes_every_path() -> None:
    """``/`` counts as none."""
    for base, expected in (("/", "/things/v0/thing"), ("/api", "/api/things/v0/thing")):
        (found,) = parse_document(swagger(basePath=base), "thingsV0.json").operations
        assert found.path == expected


def test_sandbox_only_may_be_on_the_path() -> None:
    """FBA Inventory flags the path, Vendor DF Sandbox Data the operation."""
    flag = {"x-amzn-api-sandbox-only": True}
    for item in ({"get": operation(), **flag}, {"get": operation(**flag)}):
        (found,) = parse_document(swagger(paths={"/t": item}), "thingsV0.json").operations
        assert found.sandbox_only


def test_the_default_of_an_object_changes_nothing() -> None:
    """Only defaults of parameters are stated."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "default": {"a": "x"}}
    document = parse_document(with_schema(schema), "thingsV0.json")
    assert document.definitions["Thing"].limits.default is None


def test_references_may_be_percent_encoded() -> None:
    """They are URIs."""
    schema = {"$ref": "#/definitions/My%20Thing"}
    assert parse_document(with_schema(schema), "thingsV0.json").definitions["Thing"].ref == "My Thing"
