"""The text of an api module: ``Operation`` values and the namespace of methods."""

from __future__ import annotations

import re
from datetime import date

from spapi_async._core.operation import Constraints, Paging, Parameter, Restriction, UsagePlan
from spapi_async.codegen.docstrings import end_in_words, iterator_docstring, method_docstring
from spapi_async.codegen.operations import Method
from spapi_async.codegen.text import (
    WIDTH,
    Call,
    Dictionary,
    Expression,
    Tuple,
    header,
    layout,
    quoted,
)
from spapi_async.codegen.types import PyType, render

__all__ = ["emit_api"]

_FACTS = ("Constraints", "Operation", "OtherPlan", "Paging", "Parameter", "Restriction", "UsagePlan")
_ARGUMENT_INDENT = " " * 8
_BUILTIN_ARGUMENTS = {"format", "id", "type", "filter", "input", "object", "hash", "dir", "max", "min", "range", "all"}


def emit_api(module: str, class_name: str, title: str, sources: tuple[str, ...], methods: tuple[Method, ...]) -> str:
    """The source of ``api/<module>.py``."""
    constants = "".join(f"\n{_constant(module, method)}\n" for method in methods)
    bodies = "".join("\n" + _method(method) for method in methods)
    count = f"{len(methods)} operation{'s' if len(methods) != 1 else ''}"
    space = f'class {class_name}(Namespace):\n    """{title}: {count}."""\n\n    __slots__ = ()\n{bodies}'
    code = f"{constants}\n\n{space}"
    return header(f"{title}: {count}.", sources, _suppressed(methods)) + _imports(module, code) + code


def _suppressed(methods: tuple[Method, ...]) -> list[str]:
    """The linter rules that Amazon's names break."""
    names = {argument.parameter.name for method in methods for argument in method.arguments}
    rules = ["A002"] if names & _BUILTIN_ARGUMENTS else []
    return rules + (["S106"] if any(m.paging and m.paging.token_parameter for m in methods) else [])


def _imports(module: str, code: str) -> str:
    constants, _, methods = code.partition("\n\nclass ")
    named, at_run_time = _names(code), _names(re.sub(_ANNOTATION, "", constants))
    only_typed = named - at_run_time - {"Any"}
    typing = [*(["TYPE_CHECKING"] if only_typed else []), *(["Any"] if "Any" in named else [])]
    facts = [name for name in _FACTS if re.search(rf"\b{name}\(", constants)]
    standard = _standard_imports(at_run_time | ({"date"} if re.search(_REMOVAL, constants) else set()))
    standard += [f"from typing import {', '.join(typing)}"] if typing else []
    lines = [*standard, ""] if standard else []
    lines += [
        "from spapi_async._core.namespace import Namespace",
        f"from spapi_async._core.operation import {', '.join(facts)}",
    ]
    if re.search(r"^    @warns_of_removal\(", methods, re.MULTILINE):
        lines.append("from spapi_async._core.removal import warns_of_removal")
    lines += _wire_imports(at_run_time)
    if re.search(r"\bPageIterator\(", methods):
        lines.append("from spapi_async._engine.paging import PageIterator")
    if re.search(r"\bm\.", constants) or re.search(r"\bm\.", methods):
        lines.append(f"from spapi_async.models import {module} as m")
    return "\n" + "\n".join(lines) + "\n" + _type_imports(only_typed)


_REMOVAL = r"\bremoval=date\("
_ANNOTATION = re.compile(r"^\w+: Operation\[[\s\S]*?\] = ", re.MULTILINE)
_NAMES = re.compile(
    r"\bdt(?=\.)|(?<!\.)\b(?:Any|Decimal|Mapping|Marketplace|Number|Sequence|Timestamp|date|datetime)\b"
)


def _names(code: str) -> set[str]:
    """The imported names that code uses, apart from its docstrings and string literals."""
    code = re.sub(r'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"', "", code)
    return set(_NAMES.findall(re.sub(_REMOVAL, "", code)))


def _standard_imports(names: set[str]) -> list[str]:
    lines = ["import datetime as dt"] if "dt" in names else []
    if collections := sorted(names & {"Mapping", "Sequence"}):
        lines.append(f"from collections.abc import {', '.join(collections)}")
    if dates := sorted(names & {"date", "datetime"}):
        lines.append(f"from datetime import {', '.join(dates)}")
    return [*lines, "from decimal import Decimal"] if "Decimal" in names else lines


def _wire_imports(names: set[str]) -> list[str]:
    wire = sorted(names & {"Number", "Timestamp"})
    return [f"from spapi_async._core.wire import {', '.join(wire)}"] if wire else []


def _type_imports(names: set[str]) -> str:
    ours = _wire_imports(names)
    if "Marketplace" in names:
        ours.append("from spapi_async.marketplaces import Marketplace")
    groups = ["".join(f"    {line}\n" for line in group) for group in (_standard_imports(names), ours) if group]
    return "\nif TYPE_CHECKING:\n" + "\n".join(groups) if groups else ""


def _constant(module: str, method: Method) -> str:
    keywords: list[tuple[str, Expression]] = [
        ("name", quoted(f"{module}.{method.name}")),
        ("id", quoted(method.id)),
        ("method", quoted(method.verb)),
        ("path", quoted(method.path)),
        ("usage_plan", _usage_plan(method.usage_plan)),
        *_types(method),
        *_behaviour(method),
    ]
    call = Call("Operation", keywords=tuple(keywords))
    before = f"{method.constant}: Operation[{_returned(method)}] = "
    if len(f"{before}Operation(") <= WIDTH:
        return layout(call, 0, before, explode=True)
    if len(f"{before}(") <= WIDTH:
        return f"{before}(\n{layout(call, 4, '    ', explode=True)}\n)"
    return layout(call, 0, f"{method.constant}: Operation[\n    {_returned(method)}\n] = ", explode=True)


def _types(method: Method) -> list[tuple[str, Expression]]:
    """The keywords of ``Operation`` for parameters, body and replies."""
    parameters = Tuple(tuple(_parameter(argument.parameter) for argument in method.arguments))
    stated: list[tuple[str, Expression | None]] = [
        ("parameters", parameters if method.arguments else None),
        ("response_type", render(method.response, "m.") if method.response else None),
        ("response_types", _by_status(method.responses) if method.responses else None),
        ("unwrap", quoted(method.unwrap) if method.unwrap else None),
        ("body_type", render(method.body, "m.") if method.body else None),
        ("decimals", quoted(method.decimals) if method.decimals != "string" else None),
    ]
    return [(key, value) for key, value in stated if value is not None]


def _behaviour(method: Method) -> list[tuple[str, Expression]]:
    """The keywords of ``Operation`` for access, paging, statuses and removal."""
    stated: list[tuple[str, Expression | None]] = [
        ("idempotent", "True" if method.idempotent else None),
        ("restriction", _restriction(method.restriction) if method.restriction else None),
        ("grantless_scope", quoted(method.grantless_scope) if method.grantless_scope else None),
        ("paging", _paging(method.paging) if method.paging else None),
        ("success", Tuple(tuple(map(str, method.success))) if method.success != (200,) else None),
        ("status", quoted(method.status) if method.status != "current" else None),
        ("removal", _date(method.removal.day) if method.removal else None),
        ("successor", quoted(method.removal.successor) if method.removal else None),
        ("sandbox_only", "True" if method.sandbox_only else None),
    ]
    return [(key, value) for key, value in stated if value is not None]


def _date(day: date) -> Call:
    return Call("date", (str(day.year), str(day.month), str(day.day)))


def _by_status(responses: tuple[tuple[int, PyType | None], ...]) -> Dictionary:
    return Dictionary(tuple((str(code), render(type_, "m.") if type_ else "None") for code, type_ in responses))


def _usage_plan(plan: UsagePlan) -> Call:
    keywords: list[tuple[str, Expression]] = [("rate", _number(plan.rate)), ("burst", str(plan.burst))]
    if plan.source != "model":
        keywords.append(("source", quoted(plan.source)))
    if plan.reason is not None:
        keywords.append(("reason", quoted(plan.reason)))
    if plan.others:
        others = [Call("OtherPlan", (quoted(o.source), _number(o.rate), str(o.burst))) for o in plan.others]
        keywords.append(("others", Tuple(tuple(others))))
    if plan.application_rate is not None:
        keywords.append(("application_rate", _number(plan.application_rate)))
    if plan.application_burst is not None:
        keywords.append(("application_burst", str(plan.application_burst)))
    return Call("UsagePlan", keywords=tuple(keywords))


def _parameter(parameter: Parameter) -> Call:
    keywords: list[tuple[str, Expression]] = [
        ("name", quoted(parameter.name)),
        ("wire_name", quoted(parameter.wire_name)),
        ("location", quoted(parameter.location)),
        ("type", quoted(parameter.type)),
        ("encoding", quoted(parameter.encoding)),
    ]
    if parameter.required:
        keywords.append(("required", "True"))
    if parameter.constraints != Constraints():
        keywords.append(("constraints", _constraints(parameter.constraints)))
    return Call("Parameter", keywords=tuple(keywords))


def _constraints(limits: Constraints) -> Call:
    keywords: list[tuple[str, Expression]] = []
    if limits.enum:
        keywords.append(("enum", Tuple(tuple(quoted(value) for value in limits.enum))))
    for name in (
        "minimum",
        "maximum",
        "min_length",
        "max_length",
        "min_items",
        "max_items",
        "pattern",
        "default",
        "format",
    ):
        value = getattr(limits, name)
        if value is not None:
            keywords.append((name, quoted(value) if isinstance(value, str) else _number(value)))
    return Call("Constraints", keywords=tuple(keywords))


def _restriction(restriction: Restriction) -> Call:
    keywords: list[tuple[str, Expression]] = [("mode", quoted(restriction.mode))]
    if restriction.data_elements:
        keywords.append(("data_elements", Tuple(tuple(quoted(element) for element in restriction.data_elements))))
    if not restriction.generic_path:
        keywords.append(("generic_path", "False"))
    return Call("Restriction", keywords=tuple(keywords))


def _paging(paging: Paging) -> Call:
    keywords: list[tuple[str, Expression]] = [
        ("token_parameter", quoted(paging.token_parameter) if paging.token_parameter else "None"),
        ("token_path", Tuple(tuple(quoted(name) for name in paging.token_path))),
        ("items_path", Tuple(tuple(quoted(name) for name in paging.items_path))),
    ]
    if paging.rule != "repeat":
        keywords.append(("rule", quoted(paging.rule)))
    if paging.page_size_parameter is not None:
        keywords.append(("page_size_parameter", quoted(paging.page_size_parameter)))
    if paging.token_lifetime is not None:
        keywords.append(("token_lifetime", _number(paging.token_lifetime)))
    return Call("Paging", keywords=tuple(keywords))


def _number(value: float | bool) -> str:  # noqa: FBT001 - a default may be a boolean
    if isinstance(value, bool) or not float(value).is_integer():
        return repr(value)
    return str(int(value))


def _returned(method: Method) -> str:
    types = [render(type_, "m.") for type_ in method.returns]
    return " | ".join([*types, "None"] if method.maybe_none or not types else types)


def _method(method: Method) -> str:
    takes_elements = method.restriction is not None and method.restriction.mode == "optional"
    arguments = [argument.parameter for argument in method.arguments]
    names = [p.name for p in arguments] + (["data_elements"] if takes_elements else [])
    decorator = f"    @warns_of_removal({method.constant})\n" if end_in_words(method) else ""
    text = [
        decorator + _signature("async def", method.name, arguments, _returned(method), elements=takes_elements),
        method_docstring(method, takes_elements=takes_elements),
        *_call(method, names),
    ]
    if method.iterator is not None and method.paging is not None and method.item is not None:
        token = method.paging.token_parameter
        arguments = [p for p in arguments if p.name != token]
        returned = f"PageIterator[{render(method.item, 'm.')}]"
        signature = _signature(
            "def", method.iterator, arguments, returned, elements=takes_elements, cursor=token is not None
        )
        kept = Dictionary(tuple((quoted(name), name) for name in names if name != token))
        pages = Call(
            "return PageIterator",
            ("self._client.fetch", method.constant, kept),
            _named(["cursor"]) if token is not None else (),
        )
        text += [
            "",
            decorator + signature,
            iterator_docstring(method),
            _statement(pages),
        ]
    return "\n".join(text) + "\n"


def _call(method: Method, names: list[str]) -> list[str]:
    """The statements that make the call and return its result."""
    returned = "return await" if method.returns else "await"
    has_body = any(argument.parameter.location == "body" for argument in method.arguments)
    prefix = "call = " if has_body else f"{returned} "
    made = _statement(Call(f"{prefix}self._client.fetch", (method.constant,), _named(names)))
    # A traceback can show the local variables of this frame, and a body may contain personal data.
    return [made, "        del body", f"        {returned} call"] if has_body else [made]


def _signature(
    keyword: str, name: str, parameters: list[Parameter], returned: str, *, elements: bool, cursor: bool = False
) -> str:
    positional = [f"{p.name}: {p.type}" for p in parameters if p.location == "path"]
    rest = [
        f"{p.name}: {p.type}" if p.required else f"{p.name}: {_optional(p.type)} = None"
        for p in parameters
        if p.location != "path"
    ]
    if elements:
        rest.append("data_elements: Sequence[str] | None = None")
    if cursor:
        rest.append("cursor: str | None = None")
    everything = ["self", *positional, *(["*", *rest] if rest else [])]
    call = Call(f"{keyword} {name}", tuple(_split_union(argument) for argument in everything))
    if len(f"    ) -> {returned}:") > WIDTH and " | " in returned:
        members = f"\n{_ARGUMENT_INDENT}| ".join(returned.split(" | "))
        returned = f"(\n{_ARGUMENT_INDENT}{members}\n    )"
    return "    " + layout(call, 4, after=f" -> {returned}:")


def _split_union(argument: str) -> str:
    """The argument, with one member of its union per line if it is too long for one line."""
    if len(_ARGUMENT_INDENT) + len(argument) + 1 <= WIDTH:
        return argument
    depths = [argument[:i].count("[") - argument[:i].count("]") for i in range(len(argument))]
    return "".join(
        f"\n{_ARGUMENT_INDENT}" if char == " " and depth == 0 and argument[i + 1 : i + 3] == "| " else char
        for i, (char, depth) in enumerate(zip(argument, depths, strict=True))
    )


def _optional(type_: str) -> str:
    return type_ if type_ == "Any" else f"{type_} | None"


def _named(names: list[str]) -> tuple[tuple[str, Expression], ...]:
    """Arguments that are passed on under their own names."""
    return tuple((name, name) for name in names)


def _statement(call: Call) -> str:
    return "        " + layout(call, 8)
