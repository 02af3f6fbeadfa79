"""Model files unlike the present ones: what Amazon has published before, or may publish next."""

from __future__ import annotations

import copy
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swagger_snippets import loaded, made, operation, swagger

from spapi_async._codec.request import prepare
from spapi_async._codec.response import decode
from spapi_async.codegen.document import read_json
from spapi_async.codegen.generate import Generated, generate
from spapi_async.codegen.nodes import ModelError
from spapi_async.errors import ConfigurationError

STRING = {"type": "string"}
GET = "thingsV0.json: $.paths['/t'].get"


def reply(schema: dict[str, Any], status: str = "200") -> dict[str, Any]:
    """Responses with one reply."""
    return {status: {"description": "", "schema": schema}}


def with_get(definitions: dict[str, Any] | None = None, path: str = "/t", **changes: Any) -> dict[str, Any]:
    """A model whose only operation is changed."""
    return swagger(definitions, {path: {"get": operation(**changes)}})


def get_thing(model: dict[str, Any]) -> Any:
    """The operation of a model."""
    return loaded(model)[1].GET_THING


def refusal(model: dict[str, Any], file: str = "thingsV0.json") -> str:
    """The error with which a model is refused."""
    (problem,) = generate({file: model}, {}).refused
    return str(problem)


# --- several success types -------------------------------------------------------------------------------------------


def test_three_success_types_narrow_by_status() -> None:
    """Structs, lists and no body at all each belong to a status."""
    one, many = {"type": "object", "properties": {"a": STRING}}, {"type": "array", "items": STRING}
    responses = reply(one) | reply(many, "201") | {"202": {"description": ""}, "204": {"description": ""}}
    models, api = loaded(with_get(responses=responses))
    made_of = models.GetThingResponse
    assert inspect.signature(api.ThingsV0.get_thing).return_annotation == "m.GetThingResponse | list[str] | None"
    assert api.GET_THING.response_types == {200: made_of, 201: list[str], 202: None}
    bodies = {200: b'{"a": "x"}', 201: b'["x"]', 202: b"", 204: b""}
    read = {status: decode(api.GET_THING, status, {}, body) for status, body in bodies.items()}
    assert {status: got.body for status, got in read.items()} == {200: made_of(a="x"), 201: ["x"], 202: None, 204: None}
    assert not any(got.violations for got in read.values())


def test_a_status_that_the_model_lacks_is_read_as_the_first_type() -> None:
    """The body of an undeclared 203 is not lost."""
    responses = reply({"type": "object", "properties": {"a": STRING}}) | reply(STRING, "202")
    made_of = get_thing(with_get(responses=responses))
    assert decode(made_of, 203, {}, b'{"a": "x"}').body == made_of.response_type(a="x")


def test_a_body_that_breaks_the_type_of_its_status_is_read_leniently_as_that_type() -> None:
    """The slow path takes the same type as the fast one."""
    strict = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
    responses = reply({"type": "object", "properties": {"a": STRING}}) | reply(strict, "202")
    got = decode(get_thing(with_get(responses=responses)), 202, {}, b'{"b": "5"}')
    assert (got.body.b, [str(violation.path) for violation in got.violations]) == (5, ["$.b"])


# --- lists and usage plans -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "type_"),
    [({"type": "string", "enum": ["A", "B"]}, "Sequence[m.Kind | str]"), ({"type": "integer"}, "Sequence[int]")],
)
def test_the_items_of_a_list_parameter_may_be_a_definition(target: dict[str, Any], type_: str) -> None:
    """Swagger allows ``$ref`` only in bodies; limits are read, too."""
    parameter = {"name": "kinds", "in": "query", "type": "array", "items": {"$ref": "#/definitions/Kind"}}
    found = get_thing(with_get({"Kind": target}, parameters=[parameter]))
    assert found.parameters[0].type == type_
    assert found.parameters[0].constraints.enum == tuple(target.get("enum", ()))
    assert prepare(found, {"kinds": ["1", "2"]}).target == "/t?kinds=1,2"


@pytest.mark.parametrize("items", [{"$ref": "#/definitions/Gone"}, {"$ref": "#/definitions/Thing"}])
def test_the_items_of_a_list_parameter_must_lead_to_a_scalar(items: dict[str, Any]) -> None:
    """A missing definition or an object is refused with its place."""
    parameter = {"name": "kinds", "in": "query", "type": "array", "items": items}
    thing = {"Thing": {"type": "object", "properties": {"a": STRING}}}
    assert refusal(with_get(thing, parameters=[parameter])).startswith(f"{GET}.parameters[0].items: ")


def test_words_in_a_usage_plan_cost_a_warning() -> None:
    """The rest of the file is generated; the plan is assumed and says so."""
    table = "**Usage Plan:**\n\n| Rate (requests per second) | Burst |\n| ---- | ---- |\n| deprecated | deprecated |"
    result = generate({"thingsV0.json": with_get(description=table)}, {})
    assert 'UsagePlan(rate=1, burst=1, source="assumed")' in result.files["api/things_v0.py"]
    (warning,) = result.warnings
    assert warning.startswith(GET)
    assert "deprecated" in warning


@pytest.mark.parametrize(
    ("where", "path", "sent"),
    [("header", "/t", {"x-ids": "a,b c"}), ("path", "/t/{x-ids}", "/t/a,b%20c")],
)
def test_lists_in_headers_and_paths_are_joined_by_commas(where: str, path: str, sent: object) -> None:
    """The list is sent as one value; empty ones in a path are refused."""
    parameter = {"name": "x-ids", "in": where, "type": "array", "items": STRING, "required": where == "path"}
    found = get_thing(with_get(path=path, parameters=[parameter]))
    assert found.parameters[0].type == "Sequence[str]"
    request = prepare(found, {"x_ids": ["a", "b c"]})
    assert (request.headers if where == "header" else request.path) == sent
    if where == "path":
        with pytest.raises(ConfigurationError, match="x_ids must not be empty"):
            prepare(found, {"x_ids": []})


def test_an_item_with_a_comma_cannot_go_into_a_header() -> None:
    """It would arrive as two items."""
    found = get_thing(with_get(parameters=[{"name": "ids", "in": "header", "type": "array", "items": STRING}]))
    with pytest.raises(ConfigurationError, match="ids must not contain an item with a comma"):
        prepare(found, {"ids": ["a,b"]})


@pytest.mark.parametrize(
    ("schema", "body", "read"),
    [
        ({"type": "string", "format": "date-time"}, b'"2026-01-02T03:04:05Z"', "datetime"),
        ({"type": "array", "items": {"type": "string", "format": "date"}}, b'["2026-01-02"]', "list"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, b'{"a": 1.5}', "dict"),
    ],
)
def test_a_reply_may_be_a_scalar_or_be_made_of_scalars(schema: dict[str, Any], body: bytes, read: str) -> None:
    """The module imports the types that it needs."""
    text = {"type": "object", "properties": {"a": STRING}}
    _, api = loaded(with_get(responses=reply(text) | reply(schema, "202")))
    got = decode(api.GET_THING, 202, {}, body)
    assert (type(got.body).__name__, got.violations) == (read, ())


def test_names_used_only_in_annotations_are_imported_for_type_checkers() -> None:
    """In this model the payload of an envelope is a time."""
    envelope = {"type": "object", "properties": {"payload": {"type": "string", "format": "date-time"}}}
    text = made({"thingsV0.json": with_get(responses=reply(envelope))})["api/things_v0.py"]
    assert "if TYPE_CHECKING:\n    from spapi_async._core.wire import Timestamp\n" in text
    assert "async def get_thing(self) -> Timestamp:" in text


@pytest.mark.parametrize("key", ["maximum", "minimum", "maxLength", "default"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_limit_that_is_not_finite_is_refused(key: str, value: float) -> None:
    """``1e400`` is valid JSON, but not a Python number."""
    problem = refusal(with_get(parameters=[{"name": "a", "in": "query", "type": "number", key: value}]))
    assert problem == f"{GET}.parameters[0].{key}: is not a finite number"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"operationId": "get\ud800"}, ".operationId"),
        ({"parameters": [{"name": "\udfff", "in": "query", "type": "string"}]}, ".parameters[0].name"),
        ({"responses": reply({"type": "string", "enum": ["a", "\ud800"]})}, ".responses['200'].schema.enum[1]"),
    ],
)
def test_half_a_surrogate_pair_is_refused(changes: dict[str, Any], where: str) -> None:
    """It could neither be sent nor compared."""
    assert refusal(with_get(**changes)) == f"{GET}{where}: contains half of a surrogate pair"


@pytest.mark.parametrize("status", ["2XX", "\u00b200", "0200", "99", "700", "200.0", ""])
def test_an_invalid_http_status_is_refused(status: str) -> None:
    """Some characters are digits for Python only."""
    problem = refusal(with_get(responses={status: {"description": ""}}))
    assert problem.endswith(f": status {status!r} is not supported")


@pytest.mark.parametrize("path", ["t", "/t?a=b", "/t#a", "/t/{a", "/t/a}", "/t/{}", "/t /a"])
def test_an_invalid_path_is_refused(path: str) -> None:
    """Without its slash it would become part of the host's name."""
    parameter = {"name": "a", "in": "path", "type": "string", "required": True}
    assert "is not supported: it must be /segments" in refusal(with_get(path=path, parameters=[parameter]))


# --- replies, names, versions, depth ---------------------------------------------------------------------------------


def test_an_operation_without_a_success_reply_returns_nothing_and_says_so() -> None:
    """Its success status is 200, and any body is kept raw."""
    _, api = loaded(with_get(responses=reply(STRING, "400")))
    assert (api.GET_THING.success, api.GET_THING.response_type) == ((200,), None)
    assert "no success reply" in api.ThingsV0.get_thing.__doc__
    got = decode(api.GET_THING, 200, {}, b'{"a": 1}')
    assert (got.body, got.raw) == (None, b'{"a": 1}')


@pytest.mark.parametrize(
    ("file", "info", "module"),
    [
        ("1-2 3.json", {"version": "v0"}, "api_1_2_3_v0"),
        ("2024-05-06.json", {}, "api_2024_05_06"),
        ("\u7269.json", {"version": "v1"}, "api_v1"),
        ("sales.json", {}, "sales_v7"),
        ("sales.json", {"version": ""}, "sales_v7"),
        ("sales.json", {"version": 2}, "sales_2"),
        ("sales.json", {"version": "1.0"}, "sales_1_0"),
        ("salesV3.json", {}, "sales_v3"),
        ("thingsv2024-03-20.json", {}, "things_2024_03_20"),
    ],
)
def test_every_file_makes_a_module_that_can_be_imported(file: str, info: dict[str, Any], module: str) -> None:
    """Its name may have digits, blanks and other scripts, its version be in the file, its name or its paths."""
    files = made({file: swagger(paths={"/sales/v7/metrics": {"get": operation()}}, info=info)})
    assert f"api/{module}.py" in files
    assert module.isidentifier()
    for text in files.values():
        compile(text, module, "exec")


def test_a_file_without_a_version_is_refused() -> None:
    """A module called ``sales_`` would be meaningless."""
    model = swagger(paths={"/a/v1/b": {"get": operation()}, "/a/v2/b": {"get": operation()}}, info={"title": "Sales"})
    assert refusal(model, "sales.json").startswith("sales.json: $.info.version: is missing")


def nested(depth: int) -> dict[str, Any]:
    """A list of lists of lists."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def test_what_is_nested_too_deeply_is_refused_with_its_place() -> None:
    """Python could not read the annotation."""
    assert "list[list[list[str]]]" in made({"thingsV0.json": with_get(responses=reply(nested(3)))})["api/things_v0.py"]
    problem = refusal(with_get(responses=reply(nested(400))))
    assert problem.startswith(f"{GET}.responses['200'].schema.items.items.")
    assert problem.endswith("is nested deeper than 64 levels")


def test_definitions_that_nest_one_another_too_deeply_are_refused() -> None:
    """Both 400 nested definitions and a chain of ``allOf`` are."""
    chain: dict[str, Any] = {
        f"L{n}": {"type": "array", "items": {"$ref": f"#/definitions/L{n + 1}"}} for n in range(400)
    }
    problem = refusal(with_get(chain | {"L400": STRING}, responses=reply({"$ref": "#/definitions/L0"})))
    assert "refers through more than 32 definitions" in problem
    parts: dict[str, Any] = {
        f"A{n}": {"allOf": [{"$ref": f"#/definitions/A{n + 1}"}, {"type": "object"}]} for n in range(2000)
    }
    assert "too deeply" in refusal(with_get(parts | {"A2000": {"type": "object"}}))


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "thingsV0.json"
    path.write_text(json.dumps(swagger()), encoding="utf-8-sig")
    assert read_json(path) == swagger()


# --- dates, repetition, unknown constructs ---------------------------------------------------------------------------


def test_a_plain_string_stays_a_string_whatever_its_name() -> None:
    """Only Amazon's examples could show another type, and nobody has checked those of a new model."""
    thing = {"type": "object", "properties": {"createdAt": STRING, "lastUpdateDate": STRING}}
    query = {"name": "createdAfter", "in": "query", "type": "string"}
    models, api = loaded(with_get({"Thing": thing}, parameters=[query]))
    assert set(models.Thing.__annotations__.values()) == {"str | None"}
    assert api.GET_THING.parameters[0].type == "str"


@pytest.mark.parametrize(
    ("verb", "idempotent"), [("get", True), ("delete", True), ("put", False), ("post", False), ("patch", False)]
)
def test_unknown_operations_are_idempotent_only_if_they_read_or_delete(verb: str, idempotent: bool) -> None:
    """A future ``PUT …/create…`` must not be repeated after a 5xx."""
    _, api = loaded(swagger(paths={"/t": {verb: operation(operationId="createThing")}}))
    assert api.CREATE_THING.idempotent is idempotent


@pytest.mark.parametrize("construct", ["oneOf", "anyOf", "not", "discriminator", "nullable", "patternProperties"])
def test_a_construct_of_other_dialects_is_refused(construct: str) -> None:
    """The error has file, JSON path and the name of the construct."""
    inner = {"type": "object", "properties": {"a": {construct: [STRING]}}}
    problem = refusal(swagger({"Thing": inner}))
    assert problem == f"thingsV0.json: $.definitions.Thing.properties.a: {construct!r} is not supported"


def test_one_refused_file_leaves_the_others_as_they_are() -> None:
    """It affects only its own module."""
    result: Generated = generate({"badV0.json": swagger({"T": {"oneOf": []}}), "goodV0.json": swagger()}, {})
    assert [str(problem) for problem in result.refused] == ["badV0.json: $.definitions.T: 'oneOf' is not supported"]
    assert list(result.operations) == ["good_v0"]


@pytest.mark.parametrize("living", [swagger({"T": {"oneOf": []}}), ModelError("thingsV0.json", "is not a JSON object")])
def test_an_older_file_is_ignored_if_the_current_one_is_refused(living: Any) -> None:
    """Its operations would be marked as removed, though Amazon may still have them."""
    result = generate({"thingsV0.json": living, "goodV0.json": swagger()}, {"thingsV0.json": swagger()})
    assert list(result.operations) == ["good_v0"]
    assert [str(problem).partition(":")[0] for problem in result.refused] == ["thingsV0.json"]


def test_a_definition_of_an_older_file_never_replaces_a_current_one() -> None:
    """The current file may even have the name that a changed definition would get."""
    of_a, of_b = ({"type": "object", "properties": {name: STRING}} for name in "ab")
    living = with_get({"Thing": of_a, "LegacyThing": of_a}, responses=reply({"$ref": "#/definitions/LegacyThing"}))
    old = operation(operationId="oldThing", responses=reply({"$ref": "#/definitions/Thing"}))
    models, api = loaded(living, swagger({"Thing": of_b}, {"/old": {"get": old}}))
    assert (api.GET_THING.response_type.__struct_fields__, models.Thing.__struct_fields__) == (("a",), ("a",))
    assert api.OLD_THING.response_type.__struct_fields__ == ("b",)


def test_a_changed_definition_changes_all_that_refer_to_it() -> None:
    """Top refers to Middle and Middle to Bottom; only Bottom has changed."""

    def chain(bottom: str) -> dict[str, Any]:
        def to(name: str) -> dict[str, Any]:
            return {"type": "object", "properties": {"next": {"$ref": f"#/definitions/{name}"}}}

        below = {"type": "object", "properties": {bottom: STRING}}
        return {"Top": to("Upper"), "Upper": to("Lower"), "Lower": to("Bottom"), "Bottom": below}

    top = reply({"$ref": "#/definitions/Top"})
    old = operation(operationId="oldThing", responses=top)
    _, api = loaded(with_get(chain("b"), responses=top), swagger(chain("a"), {"/old": {"get": old}}))
    for found, name in ((api.OLD_THING, "a"), (api.GET_THING, "b")):
        body = b'{"next": {"next": {"next": {"%b": "x"}}}}' % name.encode()
        assert getattr(decode(found, 200, {}, body).body.next.next.next, name) == "x"


@pytest.mark.parametrize("escaped", ["a~1b~0c", "a%2Fb%7Ec", "a~1b%7E0c"])
def test_a_reference_may_escape_characters_of_a_name(escaped: str) -> None:
    """JSON Pointer has its own escapes, and URLs have theirs."""
    thing = {"type": "object", "properties": {"a": STRING}}
    found = get_thing(with_get({"a/b~c": thing}, responses=reply({"$ref": f"#/definitions/{escaped}"})))
    assert found.response_type.__struct_fields__ == ("a",)


def test_a_redirection_is_not_one_of_the_success_types() -> None:
    """Its body is not a result of the operation."""
    found = get_thing(with_get(responses=reply(STRING) | reply({"type": "integer"}, "303")))
    assert (found.response_type, found.response_types, found.success) == (str, {}, (200,))


def test_a_page_token_may_lie_four_levels_deep_and_no_deeper() -> None:
    """GetSelection's is; a deeper one belongs to something else."""

    def page(depth: int) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", "properties": {"nextToken": STRING, "things": nested(1)}}
        for _ in range(depth - 1):
            schema = {"type": "object", "properties": {"inner": schema}}
        return with_get(parameters=[{"name": "nextToken", "in": "query", **STRING}], responses=reply(schema))

    assert get_thing(page(4)).paging.token_path == ("inner", "inner", "inner", "next_token")
    assert get_thing(page(5)).paging is None


def test_another_name_of_an_enumeration_is_that_enumeration() -> None:
    """``allOf`` with one part only adds a description."""
    definitions = {
        "Kind": {"type": "string", "enum": ["A"]},
        "KindWithNote": {"allOf": [{"$ref": "#/definitions/Kind"}], "description": "a note"},
        "Thing": {"type": "object", "properties": {"kind": {"$ref": "#/definitions/KindWithNote"}}},
    }
    models, _ = loaded(swagger(definitions))
    assert models.Thing.__annotations__["kind"] == "Kind | None"


def test_an_iterator_never_hides_a_method() -> None:
    """``listThings`` may be beside an operation called ``iterThings``."""
    page = {"type": "object", "properties": {"nextToken": STRING, "things": {"type": "array", "items": STRING}}}
    paged = operation(
        operationId="listThings", parameters=[{"name": "nextToken", "in": "query", **STRING}], responses=reply(page)
    )
    _, api = loaded(swagger(paths={"/t": {"get": paged}, "/i": {"get": operation(operationId="iterThings")}}))
    assert inspect.iscoroutinefunction(api.ThingsV0.iter_things)
    assert not inspect.iscoroutinefunction(api.ThingsV0.iter_list_things)


# --- random files ----------------------------------------------------------------------------------------------------


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every member of a model file: the dict or list that holds it, and its key."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, child in inner for found in ((node, key), *places(child))]


def whole_model() -> dict[str, Any]:
    """A model with most constructs."""
    kind = {"type": "string", "enum": ["A", "B"], "default": "A"}
    thing = {"type": "object", "required": ["a"], "properties": {"a": STRING, "kind": {"$ref": "#/definitions/Kind"}}}
    page = {"allOf": [{"$ref": "#/definitions/Thing"}, {"properties": {"list": {"type": "array", "items": STRING}}}]}
    parameters = [
        {"name": "id", "in": "path", "type": "string", "required": True},
        {"name": "nextToken", "in": "query", "type": "string"},
        {"name": "kinds", "in": "query", "type": "array", "items": {"$ref": "#/definitions/Kind"}, "maxItems": 3},
        {"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Page"}},
    ]
    replies = reply({"$ref": "#/definitions/Page"}) | reply({"type": "array", "items": STRING}, "202")
    return with_get({"Kind": kind, "Thing": thing, "Page": page}, "/t/{id}", parameters=parameters, responses=replies)


JUNK = st.sampled_from(
    [None, True, -1, "", "x", "array", "\u7269", 'q"', "class", [], {}, ["a"], {"type": "array"}]
    + [{"$ref": f"#/definitions/{name}"} for name in ("Kind", "Thing", "Page", "None")]
)


@given(changes=st.lists(st.tuples(st.integers(0, 10_000), JUNK), min_size=1, max_size=3))
def test_any_file_is_generated_or_refused(changes: list[tuple[int, Any]]) -> None:
    """There is no other error, and no invalid Python."""
    model = copy.deepcopy(whole_model())  # its parts are shared with the other tests
    for number, junk in changes:
        spots = places(model)
        holder, key = spots[number % len(spots)]
        holder[key] = copy.deepcopy(junk)
    result = generate({"thingsV0.json": model}, {})
    assert bool(result.refused) != bool(result.files)
    assert all(str(problem).startswith("thingsV0.json") for problem in result.refused)
    for path, text in result.files.items():
        compile(text, path, "exec")
