"""Every operation of every API: each argument arrives where Amazon expects it."""

import json
import re
from itertools import groupby
from typing import Any
from urllib.parse import unquote

import pytest

from spapi_async._codec.known_limits import ALTERNATIVES
from spapi_async._codec.request import prepare
from spapi_async._core.operation import Operation, Parameter
from spapi_async.api import operations
from spapi_async.errors import ConfigurationError

pytestmark = pytest.mark.filterwarnings("ignore:.*keys that are not in Amazon's model")

HOSTILE = "a/b%c+d&e;f=g#h?i j!'(k)*é漢"


def an_argument(parameter: Parameter) -> Any:
    """A hostile value of the parameter's type."""
    if parameter.location == "body":
        return [{"sku": HOSTILE}] if parameter.type.startswith(("Sequence", "list")) else {"sku": HOSTILE}
    if parameter.location == "header":
        return "a b/c"
    if parameter.encoding == "greedy":
        return "aplus/2020 11/x+y"
    if not parameter.encoding.startswith(("csv", "multi")):
        return HOSTILE
    limits = parameter.constraints
    return [HOSTILE, *"bcdefghij"][: max(min(2, limits.max_items or 2), limits.min_items or 1)]


def every_argument(operation: Operation[Any]) -> dict[str, Any]:
    """All arguments that can be combined."""
    arguments = {parameter.name: an_argument(parameter) for parameter in operation.parameters}
    for rule in ALTERNATIVES.get(operation.name, ()):
        for name in rule.names[1:] if rule.exclusive else ():
            del arguments[name]
    return arguments


def arrived(operation: Operation[Any], target: str) -> dict[str, Any]:
    """The arguments that a server would decode from a target, by wire name."""
    path, _, query = target.partition("?")
    by_name = {parameter.wire_name: parameter for parameter in operation.parameters}
    greedy = {name for name, parameter in by_name.items() if parameter.encoding == "greedy"}
    pattern = re.escape(operation.path).replace(r"\{", "{").replace(r"\}", "}")
    for name in re.findall(r"\{([^}]*)\}", operation.path):
        pattern = pattern.replace(f"{{{re.escape(name)}}}", "(.+)" if name in greedy else "([^/]+)")
    match = re.fullmatch(pattern, path)
    assert match, (pattern, path)
    found: dict[str, Any] = dict(
        zip(re.findall(r"\{([^}]*)\}", operation.path), map(unquote, match.groups()), strict=True)
    )
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        encoding = by_name[unquote(name)].encoding
        items = [unquote(item) for item in value.split(",")]
        if encoding.endswith("_double"):
            items = [unquote(item) for item in items]
        found[unquote(name)] = found.get(unquote(name), []) + items if encoding[:3] in ("csv", "mul") else items[0]
    return found


BY_API = {api: [*group] for api, group in groupby(operations().values(), key=lambda operation: operation.api)}
each_api = pytest.mark.parametrize("api", BY_API)


def test_each_api_is_there_once() -> None:
    """What is tried API by API below is every operation."""
    assert sum(map(len, BY_API.values())) == len(operations())


@each_api
def test_every_argument_of_every_operation_arrives(api: str) -> None:
    """An independent reader of paths, queries, headers and bodies finds the arguments."""
    for operation in BY_API[api]:
        arguments = every_argument(operation)
        request = prepare(operation, arguments)
        found = arrived(operation, request.target)
        for parameter in operation.parameters:
            if parameter.name not in arguments:
                continue
            value = arguments[parameter.name]
            if parameter.location == "header":
                assert request.headers[parameter.wire_name] == value, (operation, parameter)
            elif parameter.location == "body":
                assert json.loads(request.body or b"") == value, (operation, parameter)
            else:
                assert found.pop(parameter.wire_name) == value, (operation, parameter)
        assert (request.method, found) == (operation.method, {}), operation
        assert (request.body is None) == (not any(p.location == "body" for p in operation.parameters)), operation


@each_api
def test_every_missing_required_argument_is_named(api: str) -> None:
    """Left out one by one, each is named before anything is sent."""
    for operation in BY_API[api]:
        arguments = every_argument(operation)
        for parameter in operation.parameters:
            rest = {key: value for key, value in arguments.items() if key != parameter.name}
            if parameter.required:
                with pytest.raises(ConfigurationError, match=f"^{operation.name}.*{parameter.name} is required"):
                    prepare(operation, rest)
            else:
                prepare(operation, rest)
