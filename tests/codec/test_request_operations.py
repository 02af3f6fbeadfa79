"""Every operation of every API: each argument arrives where Amazon expects it."""

import json
import re
from collections.abc import Iterator
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


def test_every_argument_of_every_operation_arrives() -> None:
    """An independent reader of paths, queries, headers and bodies finds the arguments."""
    assert [fault for operation in operations().values() for fault in _lost(operation)] == []


def _lost(operation: Operation[Any]) -> Iterator[tuple[str, str]]:
    """The operation's name with what does not arrive as it was given."""
    arguments = every_argument(operation)
    request = prepare(operation, arguments)
    found = arrived(operation, request.target)
    for parameter in operation.parameters:
        if parameter.name not in arguments:
            continue
        if parameter.location == "header":
            value = request.headers.get(parameter.wire_name)
        elif parameter.location == "body":
            value = json.loads(request.body or b"null")
        else:
            value = found.pop(parameter.wire_name, None)
        if value != arguments[parameter.name]:
            yield operation.name, parameter.name
    if (request.method, found) != (operation.method, {}):
        yield operation.name, f"{request.method} {request.target}"
    if (request.body is None) == any(parameter.location == "body" for parameter in operation.parameters):
        yield operation.name, "body"


def test_every_missing_required_argument_is_named() -> None:
    """Left out one by one, each is named before anything is sent."""
    assert [fault for operation in operations().values() for fault in _unnamed(operation)] == []


def _unnamed(operation: Operation[Any]) -> Iterator[tuple[str, str, str]]:
    """The operation's name, each argument that can wrongly be left out or not, and what was said of it."""
    arguments = every_argument(operation)
    for parameter in operation.parameters:
        said = ""
        try:
            prepare(operation, {key: value for key, value in arguments.items() if key != parameter.name})
        except ConfigurationError as error:
            said = str(error)
        named = re.match(f"{operation.name}.*{parameter.name} is required", said)
        if not named if parameter.required else said:
            yield operation.name, parameter.name, said
