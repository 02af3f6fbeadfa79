"""Operations become facts and signatures."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from swagger_snippets import loaded, operation, swagger, text_of

from spapi_async._codec.response import decode
from spapi_async.codegen.document import ModelError

STRING = {"type": "string"}
THING = {"type": "object", "properties": {"a": STRING}}
REF = {"$ref": "#/definitions/Thing"}


def reply(schema: Any, status: str = "200") -> dict[str, Any]:
    """Responses with one reply."""
    return {status: {"description": "", "schema": schema}}


def query(name: str, **more: Any) -> dict[str, Any]:
    """A query parameter, a string by default."""
    return {"name": name, "in": "query", **(more or STRING)}


def one(
    path: str = "/t", definitions: dict[str, Any] | None = None, verb: str = "get", **changes: Any
) -> tuple[Any, Any]:
    """The namespace class and the Operation of a model with one operation."""
    _, api = loaded(swagger({"Thing": THING} | (definitions or {}), {path: {verb: operation(**changes)}}))
    return api.ThingsV0, api.GET_THING


def test_path_parameters_come_first_in_path_order() -> None:
    """They are positional; the others are keyword-only, required ones without default."""
    parameters = [
        query("lastThing"),
        query("mustHave", type="string", required=True),
        {"name": "b", "in": "path", "type": "string", "required": True},
        {"name": "a", "in": "path", "type": "string", "required": True},
    ]
    space, _ = one("/t/{a}/{b}", parameters=parameters)
    signature = inspect.signature(space.get_thing)
    assert (
        str(signature) == "(self, a: 'str', b: 'str', *, must_have: 'str', last_thing: 'str | None' = None) -> 'None'"
    )


@pytest.mark.parametrize(
    ("schema", "type_", "encoding"),
    [
        ({"type": "string"}, "str", "plain"),
        ({"type": "string", "format": "date-time"}, "datetime | str", "plain"),
        ({"type": "string", "format": "date"}, "date | str", "plain"),
        ({"type": "string", "format": "boolean"}, "bool", "plain"),
        ({"type": "string", "format": "[A-Z]{2}"}, "str", "plain"),
        ({"type": "integer"}, "int", "plain"),
        ({"type": "number"}, "float", "plain"),
        ({"type": "boolean"}, "bool", "plain"),
        ({"type": "string", "enum": ["A"]}, "m.XThings | str", "plain"),
        ({"type": "array", "items": STRING}, "Sequence[str]", "csv"),
        ({"type": "array", "items": STRING, "collectionFormat": "multi"}, "Sequence[str]", "multi"),
        ({"type": "array", "items": {"type": "string", "enum": ["A"]}}, "Sequence[m.XThing | str]", "csv"),
    ],
)
def test_query_parameters_say_type_and_encoding(schema: dict[str, Any], type_: str, encoding: str) -> None:
    """``Operation.parameters`` holds the annotation and the encoding."""
    _, made = one(parameters=[query("xThings", **schema)])
    (parameter,) = made.parameters
    assert (parameter.name, parameter.wire_name, parameter.type, parameter.encoding) == (
        "x_things",
        "xThings",
        type_,
        encoding,
    )


@pytest.mark.parametrize("name", ["marketplaceId", "MarketplaceId", "sourceMarketplaceId"])
def test_marketplace_parameters_accept_a_marketplace(name: str) -> None:
    """Marketplace ids may be given as members of Marketplace."""
    _, made = one(parameters=[query(name)])
    assert made.parameters[0].type == "Marketplace | str"


def test_headers_are_keyword_arguments_in_snake_case() -> None:
    """Dashes become underscores; the wire name stays."""
    space, made = one(parameters=[{"name": "x-amzn-shipping-business-id", "in": "header", "type": "string"}])
    assert made.parameters[0].encoding == "header"
    assert "x_amzn_shipping_business_id" in inspect.signature(space.get_thing).parameters


def test_a_greedy_path_parameter_keeps_its_slashes() -> None:
    """Uploads' ``{resource}`` may contain ``/``."""
    greedy = {"name": "r", "in": "path", "type": "string", "x-amazon-spds-greedy-path-parameter": True}
    _, made = one("/t/{r}", parameters=[greedy])
    assert made.parameters[0].encoding == "greedy"


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        (REF, "m.Thing | Mapping[str, Any]"),
        ({"type": "array", "items": REF}, "Sequence[m.Thing | Mapping[str, Any]]"),
        ({"type": "object"}, "Mapping[str, Any]"),
        ({"type": "array", "items": STRING}, "Sequence[str]"),
        ({}, "Any"),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_a_body_is_always_called_body(schema: dict[str, Any], type_: str, *, required: bool) -> None:
    """It may be the struct or plain data, and it may be optional."""
    body = {"name": "payload", "in": "body", "schema": schema, "required": required}
    space, made = one(verb="post", parameters=[body])
    parameter = inspect.signature(space.get_thing).parameters["body"]
    assert parameter.annotation == (type_ if required or type_ == "Any" else f"{type_} | None")
    assert (parameter.default is inspect.Parameter.empty) == required
    assert made.parameters[0].wire_name == "payload"
    assert made.body_type is not None


def test_names_that_the_signature_needs_are_left_free() -> None:
    """Parameters called self, body or cursor are renamed."""
    _, made = one(parameters=[query("self"), query("body"), query("cursor"), query("type")])
    assert [parameter.name for parameter in made.parameters] == ["self_2", "body_2", "cursor_2", "type"]


@pytest.mark.parametrize(
    ("properties", "unwrap"),
    [
        ({"payload": REF, "errors": {"type": "array", "items": STRING}}, "payload"),
        ({"payload": REF}, "payload"),
        ({"payload": REF, "pagination": REF}, None),
        ({"errors": {"type": "array", "items": STRING}}, None),
    ],
)
def test_an_envelope_of_payload_and_errors_is_unwrapped(properties: dict[str, Any], unwrap: str | None) -> None:
    """It is only unwrapped if it has no other members."""
    envelope = {"type": "object", "properties": properties}
    space, made = one(definitions={"Reply": envelope}, responses=reply({"$ref": "#/definitions/Reply"}))
    assert made.unwrap == unwrap
    assert inspect.signature(space.get_thing).return_annotation == ("m.Thing" if unwrap else "m.Reply")


@pytest.mark.parametrize(
    ("responses", "returned", "success"),
    [
        (reply(REF) | {"204": {"description": ""}}, "m.Thing | None", (200, 204)),
        (reply(REF) | reply(REF, "202"), "m.Thing", (200, 202)),
        (reply(REF, "207"), "m.Thing", (207,)),
        (reply({"type": "array", "items": REF}), "list[m.Thing]", (200,)),
        ({"200": {"description": ""}}, "None", (200,)),
        (reply(REF, "204"), "None", (204,)),
        (reply(REF, "201") | reply(STRING, "400"), "m.Thing", (201,)),
    ],
)
def test_success_replies_of_every_shape(responses: dict[str, Any], returned: str, success: tuple[int, ...]) -> None:
    """All successes have one type; a 204 has no body even where the model gives it one."""
    space, made = one(responses=responses)
    assert inspect.signature(space.get_thing).return_annotation == returned
    assert made.success == success


def test_success_replies_of_two_types_are_distinguished_by_status() -> None:
    """The method returns either; ``response_types`` has the type of each status."""
    other = {"type": "object", "properties": {"b": STRING}}
    responses = reply(REF) | reply({"$ref": "#/definitions/Other"}, "202")
    space, made = one(definitions={"Other": other}, responses=responses)
    assert inspect.signature(space.get_thing).return_annotation == "m.Thing | m.Other"
    assert {status: type_.__name__ for status, type_ in made.response_types.items()} == {200: "Thing", 202: "Other"}
    assert made.response_type is made.response_types[200]
    assert decode(made, 200, {}, b'{"a": "x"}').body == made.response_types[200](a="x")
    assert decode(made, 202, {}, b'{"b": "x"}').body == made.response_types[202](b="x")


def test_a_success_without_a_body_beside_one_with_a_body_is_none() -> None:
    """An empty body is no violation where the status declares none."""
    space, made = one(responses=reply(REF) | {"202": {"description": ""}})
    assert inspect.signature(space.get_thing).return_annotation == "m.Thing | None"
    empty = decode(made, 202, {}, b"")
    assert (empty.body, empty.violations) == (None, ())
    assert decode(made, 200, {}, b"").violations


def test_envelopes_of_several_success_types_are_unwrapped_together_or_not_at_all() -> None:
    """One attribute name applies to every status."""
    envelopes = {
        "One": {"type": "object", "properties": {"payload": REF}},
        "Two": {"type": "object", "properties": {"payload": {"type": "array", "items": REF}}},
    }
    responses = reply({"$ref": "#/definitions/One"}) | reply({"$ref": "#/definitions/Two"}, "202")
    space, made = one(definitions=envelopes, responses=responses)
    assert inspect.signature(space.get_thing).return_annotation == "m.Thing | list[m.Thing]"
    assert made.unwrap == "payload"
    space, made = one(definitions=envelopes, responses=responses | reply(REF, "203"))
    assert inspect.signature(space.get_thing).return_annotation == "m.One | m.Two | m.Thing"
    assert made.unwrap is None


def test_a_body_that_mixes_forms_of_decimals_fails() -> None:
    """Strings and numbers in one body could not both be written correctly."""
    mixed = {"type": "object", "properties": {"price": {"type": "number"}, "currency": STRING, "amount": STRING}}
    with pytest.raises(ModelError, match="mixes decimals"):
        one(verb="post", parameters=[{"name": "b", "in": "body", "schema": mixed}])


def test_decimals_take_the_form_of_the_body() -> None:
    """``Operation.decimals`` says how Decimals are written."""
    priced = {"type": "object", "properties": {"price": {"type": "number"}}}
    assert one(verb="post", parameters=[{"name": "b", "in": "body", "schema": priced}])[1].decimals == "number"
    assert one(responses=reply(priced))[1].decimals == "number"
    assert one()[1].decimals == "string"


def test_paging_is_found_in_the_schemas() -> None:
    """Token parameter, token, items and page size are found; request and reply may name the token differently."""
    page = {
        "type": "object",
        "properties": {
            "pagination": {"type": "object", "properties": {"nextToken": STRING}},
            "things": {"type": "array", "items": REF},
            "errors": {"type": "array", "items": STRING},
        },
    }
    listing = operation(
        operationId="listThings",
        parameters=[query("pageToken"), query("pageSize", type="integer"), query("filter")],
        responses=reply({"$ref": "#/definitions/Page"}),
    )
    _, api = loaded(swagger({"Thing": THING, "Page": page}, {"/t": {"get": listing}}))
    space, made = api.ThingsV0, api.LIST_THINGS
    assert made.paging.token_parameter == "page_token"
    assert made.paging.token_path == ("pagination", "next_token")
    assert made.paging.items_path == ("things",)
    assert made.paging.page_size_parameter == "page_size"
    signature = inspect.signature(space.iter_things)
    assert signature.return_annotation == "PageIterator[m.Thing]"
    assert list(signature.parameters) == ["self", "page_size", "filter", "cursor"]


def test_iterators_that_would_share_a_name_take_the_full_one() -> None:
    """``listThings`` and ``searchThings`` cannot both be ``iter_things``."""
    page = {"type": "object", "properties": {"nextToken": STRING, "things": {"type": "array", "items": REF}}}
    definitions = {"Thing": THING, "Page": page}
    paged = {"parameters": [query("nextToken")], "responses": reply({"$ref": "#/definitions/Page"})}
    paths = {
        f"/{name}": {"get": operation(operationId=name, **paged)}
        for name in ("listThings", "searchThings", "getOthers")
    }
    _, api = loaded(swagger(definitions, paths))
    assert {name for name in vars(api.ThingsV0) if name.startswith("iter_")} == {
        "iter_list_things",
        "iter_search_things",
        "iter_others",
    }


def test_flags_reach_the_operation_and_the_docstring() -> None:
    """Deprecated and sandbox-only are in both."""
    flags: dict[str, Any] = {"deprecated": True, "x-amzn-api-sandbox-only": True}
    space, made = one(**flags)
    assert (made.status, made.sandbox_only) == ("deprecated", True)
    assert "Deprecated by Amazon; the first call issues a warning." in space.get_thing.__doc__
    assert "Only the sandbox serves this operation." in space.get_thing.__doc__


def test_the_docstring_states_the_facts() -> None:
    """It has verb, path, plan, allowed values, sizes and error statuses."""
    table = "| Rate (requests per second) | Burst |\n| ---- | ---- |\n| 0.5 | 30 |"
    kinds = query("kinds", type="array", items={"type": "string", "enum": ["A", "B"]}, maxItems=2, required=True)
    space, _ = one(
        description=table, parameters=[kinds], responses={"204": {"description": ""}, "429": {"description": ""}}
    )
    text = inspect.getdoc(space.get_thing)
    assert text is not None
    for fact in (
        "``getThing``: GET /t.",
        "0.5 requests a second, burst 30 (Amazon's model)",
        "Error statuses: 429.",
        "kinds: ``kinds``; each one of ``A``, ``B``; at most 2 items.",
    ):
        assert fact in text


def test_two_operations_of_one_name_fail() -> None:
    """Ids that differ only in case would be one method."""
    paths = {
        "/a": {"get": operation(operationId="getThing")},
        "/b": {"get": operation(operationId="GetThing", deprecated=False)},
    }
    with pytest.raises(ModelError, match="get_thing"):
        text_of("api", swagger(paths=paths))


def test_removed_operations_join_the_current_ones() -> None:
    """An operation that only an older model has is marked as removed."""
    older = swagger(
        {"Thing": THING},
        {"/t": {"get": operation()}, "/gone": {"get": operation(operationId="getGone", responses=reply(REF))}},
    )
    models, api = loaded(swagger(paths={"/t": {"get": operation()}}), older)
    assert (api.GET_THING.status, api.GET_GONE.status) == ("current", "removed")
    assert "Removed by Amazon" in api.ThingsV0.get_gone.__doc__
    assert api.GET_GONE.response_type is models.Thing


@pytest.mark.parametrize("path", ["/t/{ID}", "/moved/{id}"])
def test_an_operation_that_has_moved_is_not_a_removed_one(path: str) -> None:
    """Callers know its name; a path parameter in another case would make the method twice."""
    older = operation(parameters=[{"name": path[-3:-1], "in": "path", "type": "string", "required": True}])
    now = operation(parameters=[{"name": "id", "in": "path", "type": "string", "required": True}])
    _, api = loaded(swagger(paths={"/t/{id}": {"get": now}}), swagger(paths={path: {"get": older}}))
    assert (api.GET_THING.status, api.GET_THING.path) == ("current", "/t/{id}")


def test_a_definition_that_changed_since_keeps_its_older_form() -> None:
    """A removed operation decodes with the types of its time, and so does every type that refers to them."""
    holder = {"type": "object", "properties": {"thing": REF}}
    older = swagger(
        {"Thing": {"type": "object", "properties": {"old": STRING}}, "Holder": holder},
        {"/gone": {"get": operation(operationId="getGone", responses=reply({"$ref": "#/definitions/Holder"}))}},
    )
    models, api = loaded(swagger({"Thing": THING, "Holder": holder}), older)
    assert api.GET_GONE.response_type is models.LegacyHolder
    assert models.LegacyThing.__struct_fields__ == ("old",)
    assert models.Thing.__struct_fields__ == ("a",)


def test_a_page_token_may_go_into_the_body() -> None:
    """A search by POST takes its token among the body's fields."""
    page = {"type": "object", "properties": {"nextToken": STRING, "things": {"type": "array", "items": REF}}}
    asked = {"type": "object", "properties": {"maxResults": {"type": "integer"}, "nextToken": STRING}}
    body = {"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Asked"}}
    space, made = one(
        definitions={"Page": page, "Asked": asked},
        verb="post",
        parameters=[body],
        responses=reply({"$ref": "#/definitions/Page"}),
    )
    assert made.paging.token_parameter == "next_token"
    assert list(inspect.signature(space.iter_thing).parameters) == ["self", "body", "cursor"]


def test_a_reply_with_a_token_that_no_post_takes_has_no_pages() -> None:
    """A token for another operation makes no pages of this one; a GET at least returns its first page."""
    page = {"type": "object", "properties": {"nextToken": STRING, "things": {"type": "array", "items": REF}}}
    for verb, paged in (("post", False), ("get", True)):
        _, made = one(definitions={"Page": page}, verb=verb, responses=reply({"$ref": "#/definitions/Page"}))
        assert (made.paging is not None) == paged
