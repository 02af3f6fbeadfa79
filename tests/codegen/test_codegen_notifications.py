"""JSON Schemas of notifications become modules; the peculiarities of Amazon's files are understood."""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spapi_async._codec.json import to_json
from spapi_async.codegen.__main__ import main
from spapi_async.codegen.json_schema import parse_notification_schema
from spapi_async.codegen.nodes import ModelError
from spapi_async.codegen.notifications import generate_notifications

FILE = "ThingChangeNotification.json"
MONEY = {"type": "object", "properties": {"Amount": {"type": "integer"}, "CurrencyCode": {"type": "string"}}}
SCHEMAS = Path(__file__).parents[3] / "shared" / "schemas" / "notifications"


def schema(payload: Any, **changes: Any) -> dict[str, Any]:
    """A schema file whose payload has these properties, all of them required."""
    inside = {"type": "object", "properties": payload, "required": list(payload)}
    return {"type": "object", "properties": {"Payload": inside}, "required": ["Payload"]} | changes


def loaded(data: dict[str, Any]) -> Any:
    """The generated module, executed."""
    made = generate_notifications({FILE: data})
    for refusal in made.refused:
        raise refusal
    module = types.ModuleType("thing_change")
    sys.modules[module.__name__] = module  # msgspec looks names up in the class's module
    exec(made.files["models/notifications/thing_change.py"], module.__dict__)
    return module


def payload_of(data: dict[str, Any], **values: Any) -> Any:
    """These values, decoded strictly as the payload of a schema."""
    return msgspec.convert({"Payload": values}, loaded(data).Notification).payload


@pytest.mark.parametrize("ref", ["$ref", "#ref"])
def test_the_root_may_be_a_reference_spelt_either_way(ref: str) -> None:
    """The definition is the notification, whatever its name."""
    inside = schema({"Sku": {"type": "string"}})
    data = {ref: "#/definitions/response", "definitions": {"response": inside}}
    assert payload_of(data, Sku="a").sku == "a"


def test_a_root_that_leads_nowhere_is_read_from_its_example() -> None:
    """Types are those of the example, and nothing is required."""
    example = {"Payload": {"Sku": "a", "Count": 1, "Rate": 0.5, "Own": True, "At": "2026-01-01T00:00:00Z", "L": [{}]}}
    data = {"$ref": "#/definitions/Notification", "definitions": {}, "examples": [example]}
    module = loaded(data)
    assert (
        to_json(msgspec.convert(example, module.Notification, strict=False))
        == json.dumps(example, separators=(",", ":")).encode()
    )
    assert msgspec.convert({"Payload": {}}, module.Notification).payload.count is None


def test_alternatives_of_a_lists_items_become_one_type() -> None:
    """It has every property; those that one alternative lacks are optional."""
    first = {"type": "object", "properties": {"A": {"type": "string"}}, "required": ["A"]}
    both = {"type": "object", "properties": {"A": {"type": "string"}, "B": {"type": "integer"}}, "required": ["A", "B"]}
    data = schema({"Offers": {"type": "array", "items": {"anyOf": [first, both]}}})
    offers = payload_of(data, Offers=[{"A": "x"}, {"A": "y", "B": 2}]).offers
    assert [(offer.a, offer.b) for offer in offers] == [("x", None), ("y", 2)]
    assert type(offers[0]).__name__ == "Offer"


@pytest.mark.parametrize("items", [[{"type": "string"}], {"type": "string"}, None])
def test_items_are_one_schema_a_list_of_one_or_shown_by_examples(items: Any) -> None:
    """In each case the result is a list of strings."""
    node = {"type": "array"} | ({"items": items} if items else {"examples": [["LUGGAGE"], []]})
    data = schema({"Types": node})
    assert payload_of(data, Types=["SHOES"]).types == ["SHOES"]
    with pytest.raises(msgspec.ValidationError):
        payload_of(data, Types=[1])


def test_null_among_the_types_means_that_a_property_may_be_missing() -> None:
    """It may be required nevertheless."""
    data = schema({"Day": {"type": ["string", "null"]}})
    assert payload_of(data).day is payload_of(data, Day=None).day is None


def test_a_string_whose_every_example_is_a_date_time_is_one() -> None:
    """With another example, or none, it stays a string."""
    time = "2026-01-01T00:00:00.000Z"
    data = schema(
        {
            "A": {"type": "string", "examples": [time]},
            "B": {"type": "string", "examples": [time, "soon"]},
            "C": {"type": "string"},
        }
    )
    payload = payload_of(data, A=time, B=time, C=time)
    assert (payload.a.year, payload.b, payload.c) == (2026, time, time)


def test_an_integer_amount_of_money_may_have_decimals() -> None:
    """Beside a currency code it is exact, and is written as a JSON number."""
    price = payload_of(schema({"Price": MONEY}), Price={"Amount": 4.1, "CurrencyCode": "USD"}).price
    assert str(price.amount) == "4.1"
    assert to_json(price) == b'{"Amount":4.1,"CurrencyCode":"USD"}'


def test_equal_objects_of_one_name_share_a_class_and_others_do_not() -> None:
    """A different one is named after its owner too."""
    other = {"type": "object", "properties": {"Word": {"type": "string"}}}
    box = {"type": "object", "properties": {"Price": MONEY}}
    tin = {"type": "object", "properties": {"Price": other}}
    module = loaded(schema({"Price": MONEY, "Box": box, "Tin": tin}))
    assert {"Price", "TinPrice"} <= vars(module).keys()
    assert "BoxPrice" not in vars(module)


def test_type_and_version_come_from_the_schema_its_examples_or_its_name() -> None:
    """Two names of one type are both kept."""
    facts = {"NotificationType": {"type": "string", "enum": ["THING_CHANGED"]}}
    data = schema({}, examples=[{"NotificationType": "THING_CHANGE", "PayloadVersion": "1.0"}])
    data["properties"] |= facts
    found = parse_notification_schema(data, FILE)
    assert (found.module, found.types, found.version) == ("thing_change", ("THING_CHANGED", "THING_CHANGE"), "1.0")
    assert parse_notification_schema(schema({}), FILE).types == ("THING_CHANGE",)


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ({"oneOf": []}, "'oneOf' is not supported"),
        ({"type": ["string", "integer"]}, "type .* is not supported"),
        ({"type": "array", "items": []}, "must be a list of schemas"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "different types"),
        ({"$ref": "#/definitions/Nothing"}, "not defined"),
        ({"$ref": "other.json"}, "not supported"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(node: dict[str, Any], problem: str) -> None:
    """The error has file and JSON path."""
    with pytest.raises(ModelError, match=problem) as caught:
        loaded(schema({"Thing": node}))
    assert str(caught.value).startswith(FILE)


def test_none_of_the_schemas_sentences_are_copied() -> None:
    """Titles, descriptions and examples are left out."""
    prose = {"description": "SENTENCE", "title": "SENTENCE", "examples": ["SENTENCE"], "default": "SENTENCE"}
    made = generate_notifications({FILE: schema({"Thing": {"type": "string"} | prose}, description="SENTENCE")})
    assert not any("SENTENCE" in text for text in made.files.values())


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"Amazon's schemas are not at {SCHEMAS}")
def test_amazons_own_examples_decode_strictly() -> None:
    """They do so with the modules in the repository, and are encoded as they came."""
    count = 0
    for path in sorted(SCHEMAS.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        module = importlib.import_module(
            f"spapi_async.models.notifications.{parse_notification_schema(data, path.name).module}"
        )
        for example in data.get("examples", ()):
            typed = msgspec.json.decode(json.dumps(example), type=module.Notification)
            assert typed.payload is not None
            count += 1
    assert count >= 23


def test_the_command_writes_a_folder_of_its_own_and_knows_when_it_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module without a schema is an error, and ``--prune`` removes it."""
    (tmp_path / "models").mkdir()
    swagger = {"swagger": "2.0", "info": {"version": "v0"}, "paths": {"/a": {"get": {"operationId": "a"}}}}
    (tmp_path / "models/thingsV0.json").write_text(json.dumps(swagger), encoding="utf-8")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / FILE).write_text(json.dumps(schema({"A": {"type": "string"}})), encoding="utf-8")
    command = [f"--{name}={tmp_path / name}" for name in ("models", "output")]
    command.append(f"--notifications={tmp_path / 'schemas'}")
    assert main(command) == main([*command, "--check"]) == 0
    folder = tmp_path / "output/models/notifications"
    assert {path.name for path in folder.iterdir()} == {"__init__.py", "thing_change.py"}
    (folder / "thing_change.py").unlink()
    assert main([*command, "--check"]) == 1
    (folder / "old.py").touch()
    assert main(command) == 2
    assert "no schema that was read defines old" in capsys.readouterr().err
    assert main([*command, "--prune"]) == 0
    assert not (folder / "old.py").exists()
