"""Every static sandbox example of Amazon's models: requests carry it, replies decode, errors name it."""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from response_examples import MODELS, Example, examples, resolve, successes

from spapi_async import to_json
from spapi_async._codec.request import prepare
from spapi_async._codec.response import decode, error_from_reply
from spapi_async._core.operation import Operation, Parameter
from spapi_async.errors import ConfigurationError, error_for_status

pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason=f"Amazon's models are not at {MODELS}")


def test_there_are_as_many_examples_as_amazon_has() -> None:
    """No example is skipped."""
    assert len(examples()) >= 635
    assert len(list(successes())) >= 287


# --- requests --------------------------------------------------------------------------------------------------------


def parameter_of(operation: Operation[Any], wire_name: str) -> Parameter | None:
    """The parameter that an example means; many call the body just "body"."""
    wanted = [p for p in operation.parameters if p.wire_name == wire_name]
    wanted += [p for p in operation.parameters if p.location == "body" and wire_name == "body"]
    return wanted[0] if wanted else None


def as_text(value: Any) -> str:
    """A scalar as Amazon writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def sent_value(parameter: Parameter, example: Example, request: Any) -> Any:
    """The value that an independent reader finds in the request for a parameter."""
    path, _, query = request.target.partition("?")
    if parameter.location == "body":
        return json.loads(request.body)
    if parameter.location == "header":
        return request.headers[parameter.wire_name]
    if parameter.location == "path":
        pattern = re.sub(r"\\{[^}]*\\}", "([^/]*)", re.escape(example.operation.path))
        names = re.findall(r"\{([^}]*)\}", example.operation.path)
        match = re.fullmatch(pattern, path)
        assert match
        return unquote(match[names.index(parameter.wire_name) + 1])
    values = [pair.partition("=")[2] for pair in query.split("&") if pair.partition("=")[0] == parameter.wire_name]
    if parameter.encoding.startswith("csv"):
        return [unquote(item) for value in values for item in value.split(",")]
    return [unquote(value) for value in values] if parameter.encoding.startswith("multi") else unquote(values[0])


def test_a_request_built_from_an_examples_parameters_carries_them() -> None:
    """Each is in its place, whatever characters it has; missing required ones are made up."""
    checked = 0
    for example in examples():
        named = {name: p for name in example.arguments if (p := parameter_of(example.operation, name))}
        arguments: dict[str, Any] = {
            p.name: {} if p.location == "body" else "x" for p in example.operation.parameters if p.required
        }
        arguments |= {p.name: example.arguments[name] for name, p in named.items()}
        if any(arguments[p.name] == "" for p in named.values() if p.location == "path"):
            # One example of a 400 has an empty segment, which would address another resource and is refused here.
            with pytest.raises(ConfigurationError):
                prepare(example.operation, arguments)
            continue
        request = prepare(example.operation, arguments)
        for name, parameter in named.items():
            value = example.arguments[name]
            if value in (None, []):
                continue
            if isinstance(value, list) and parameter.location != "body":
                value = [as_text(item) for item in value]
            elif parameter.encoding[:3] in ("csv", "mul"):
                value = [as_text(value)]
            elif parameter.location != "body":
                value = as_text(value)
            assert sent_value(parameter, example, request) == value, (example.operation, name)
            checked += 1
    assert checked > 1000


# --- replies ---------------------------------------------------------------------------------------------------------


def contradictions(schema: Any, value: Any, path: str, model: dict[str, Any]) -> Iterator[str]:
    """The paths at which a body breaks its own schema, read independently; unknown enum values do not count."""
    schema = resolve(schema, model)
    for part in schema.get("allOf", ()):
        yield from contradictions(part, value, path, model)
    kind = schema.get("type") or ("object" if "properties" in schema else None)
    if value is None or not fits(kind, schema.get("format"), value):
        yield path
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from contradictions(schema.get("items", {}), item, f"{path}[{number}]", model)
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        yield from (f"{path}.{key}" for key in schema.get("required", ()) if key not in value)
        for key, item in value.items():
            if key in known:
                yield from contradictions(known[key], item, f"{path}.{key}", model)
            elif isinstance(extra := schema.get("additionalProperties"), dict):
                yield from contradictions(extra, item, f"{path}[*]", model)


def fits(kind: str | None, form: str | None, value: Any) -> bool:
    """Whether a JSON value has a type, and a time its format."""
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind in ("integer", "number")):
        return False
    if form in ("date-time", "dateTime") and kind == "string":
        pattern = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:?\d\d)"
        match = re.fullmatch(pattern, value)
        return bool(match and is_iso(f"{match[1]}T{match[2]}"))
    return form != "date" or is_iso(value)


KINDS: dict[str | None, Any] = {
    "string": str,
    "boolean": bool,
    "object": dict,
    "array": list,
    "integer": int,
    "number": (int, float),
    None: object,
}


def is_iso(text: str) -> bool:
    """Whether the date exists; Amazon's samples have a 30th of February."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def test_replies_decode_with_violations_only_where_they_contradict_their_model() -> None:
    """Other violations would be mistakes of the generator or the decoder."""
    wrong = []
    for example in successes():
        response = decode(example.operation, example.status, {}, example.body, strict=False, attempts=1)
        if not example.has_reply or example.schema is None or not example.body:
            continue
        allowed = set(contradictions(example.schema, example.reply, "$", example.model))
        wrong += [str(violation) for violation in response.violations if violation.path not in allowed]
    assert wrong == []


def test_replies_outside_2xx_become_the_error_with_amazons_code_and_message() -> None:
    """Error lists have all the shapes of Amazon's samples."""
    checked = 0
    for example in examples():
        if example.status // 100 == 2 or not example.has_reply:
            continue
        error = error_from_reply(example.operation, example.status, {}, example.body, attempts=1)
        assert type(error) is error_for_status(example.status)
        entries = example.reply if isinstance(example.reply, list) else example.reply.get("errors", [])
        entries = [entries] if isinstance(entries, dict) else entries
        if entries:
            first = entries[0]
            assert (error.code, error.errors[0].message) == (first.get("code", ""), first.get("message") or "")
            assert first.get("code", "") in str(error)
            checked += 1
    assert checked >= 345


# --- encoding --------------------------------------------------------------------------------------------------------


def differences(value: Any, encoded: Any, original: Any, path: str) -> Iterator[str]:
    """The paths at which a re-encoded body differs from the original; keys that the model does not know are skipped."""
    if isinstance(value, msgspec.Struct) and isinstance(original, dict):
        for name, key in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            if key in original and key in encoded:
                yield from differences(getattr(value, name), encoded[key], original[key], f"{path}.{key}")
            elif encoded.get(key) != original.get(key):
                yield f"{path}.{key}"
    elif isinstance(value, list) and isinstance(original, list) and len(value) == len(original):
        for number, each in enumerate(value):
            yield from differences(each, encoded[number], original[number], f"{path}[{number}]")
    elif isinstance(value, dict) and isinstance(original, dict) and value.keys() == original.keys():
        for key, each in value.items():
            yield from differences(each, encoded[key], original[key], f"{path}[*]")
    elif not same(value, encoded, original):
        yield path


def same(value: Any, encoded: Any, original: Any) -> bool:
    """Whether values are equal as JSON or as numbers of the same form; times may differ in zeros after the seconds."""
    if isinstance(value, datetime):
        return bool(encoded == re.sub(r"(\.0+)?(Z|\+00:00)$", "Z", original.replace(" ", "T")))
    if isinstance(value, Decimal):
        return isinstance(encoded, str) == isinstance(original, str) and Decimal(str(encoded)) == Decimal(str(original))
    return bool(encoded == (str(original) if isinstance(value, date) else original))


def test_encoding_a_decoded_reply_gives_back_the_same_json() -> None:
    """Decimals stay strings or numbers; only violations and unknown keys may differ."""
    wrong = []
    for example in successes():
        whole = msgspec.structs.replace(example.operation, unwrap=None, paging=None)
        response = decode(whole, example.status, {}, example.body, strict=False, attempts=1)
        if response.body is None:
            continue
        excused = {violation.path for violation in response.violations}
        encoded = json.loads(to_json(response.body))
        places = differences(response.body, encoded, example.reply, "$")
        wrong += [f"{example.operation.name} {place}" for place in places if place not in excused]
    assert wrong == []
